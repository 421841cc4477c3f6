import { readdirSync, readFileSync } from 'node:fs'
import { dirname, join, relative, resolve } from 'node:path'

export const repositoryRoot = resolve(import.meta.dirname, '../..')

export interface SourceFile {
  /** Relative to the repository: agent/plan/names.ts */
  readonly path: string
  readonly text: string
  /** Package names and node:* as written; own files relative to the repository. */
  readonly imports: readonly SourceImport[]
}

export interface SourceImport {
  readonly target: string
  /** `import type`: gone at run time. */
  readonly typeOnly: boolean
}

const importPattern =
  /(?:^|\n)\s*(?:import|export)\s+(type\s)?(?:[^'"`;]*?\sfrom\s+)?['"]([^'"]+)['"]|import\(\s*['"]([^'"]+)['"]\s*\)|new URL\(\s*['"](\.[^'"]+\.ts)['"]/g

/** Every TypeScript file of ours below the folders, generated code left out. */
export function readSources(folders: readonly string[]): SourceFile[] {
  return folders.flatMap((folder) => listFiles(join(repositoryRoot, folder))).map(readSource)
}

function listFiles(folder: string): string[] {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    const path = join(folder, entry.name)
    if (entry.isDirectory()) return entry.name === 'gen' ? [] : listFiles(path)
    return entry.name.endsWith('.ts') ? [path] : []
  })
}

function readSource(absolutePath: string): SourceFile {
  const text = readFileSync(absolutePath, 'utf8')
  const imports = [...text.matchAll(importPattern)].map((match) => {
    const written = match[2] ?? match[3] ?? match[4] ?? ''
    const target = written.startsWith('.')
      ? relative(repositoryRoot, resolve(dirname(absolutePath), written))
      : written
    return { target, typeOnly: match[1] !== undefined }
  })
  return { path: relative(repositoryRoot, absolutePath), text, imports }
}

/** The code without comments and string contents, for rules about what is called. */
export function withoutCommentsAndStrings(text: string): string {
  return text.replaceAll(/\/\*[\s\S]*?\*\/|\/\/[^\n]*|'(?:[^'\\\n]|\\.)*'|"(?:[^"\\\n]|\\.)*"/g, (match) =>
    match.startsWith('/') ? ' ' : "''",
  )
}
