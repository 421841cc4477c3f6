import { existsSync, mkdirSync, readFileSync, renameSync, writeFileSync } from 'node:fs'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { readEnvironment } from '../../lib/config.ts'
import { usageError } from '../exit-codes.ts'
import type { Context } from './context.ts'

export interface ContextFile {
  /** The context that is used where none is named. */
  readonly current?: string
  readonly contexts: Readonly<Record<string, Context>>
}

export function contextFilePath(): string {
  const folder = readEnvironment('XDG_CONFIG_HOME') ?? join(homedir(), '.config')
  return readEnvironment('BERTH_CONFIG') ?? join(folder, 'berth', 'config.json')
}

export function readContextFile(): ContextFile {
  const path = contextFilePath()
  if (!existsSync(path)) return { contexts: {} }
  try {
    const parsed = JSON.parse(readFileSync(path, 'utf8')) as Partial<ContextFile> | null
    return { ...parsed, contexts: parsed?.contexts ?? {} }
  } catch {
    throw usageError(`The file ${path} can't be read as JSON. Put it right, or remove it.`)
  }
}

/** Adds or replaces one context and makes it the current one. Readable by its owner alone: it holds a token. */
export function writeContext(name: string, context: Context): string {
  const file = readContextFile()
  return writeFile({ current: name, contexts: { ...file.contexts, [name]: context } })
}

/** Changes one that is there; which one is current stays. */
export function replaceContext(name: string, context: Context): void {
  const file = readContextFile()
  writeFile({ ...file, contexts: { ...file.contexts, [name]: context } })
}

export function useContext(name: string): void {
  writeFile({ ...readContextFile(), current: name })
}

/** Of a region that is no more; a context of that name with another server is somebody else's. */
export function removeContext(name: string, server: string): void {
  const file = readContextFile()
  if (file.contexts[name]?.server !== server) return
  const { [name]: _removed, ...contexts } = file.contexts
  const current = file.current === name ? Object.keys(contexts)[0] : file.current
  writeFile({ contexts, ...(current === undefined ? {} : { current }) })
}

function writeFile(content: ContextFile): string {
  const path = contextFilePath()
  mkdirSync(dirname(path), { recursive: true, mode: 0o700 })
  const draft = `${path}.${process.pid}`
  writeFileSync(draft, `${JSON.stringify(content, null, 2)}\n`, { mode: 0o600 })
  renameSync(draft, path)
  return path
}
