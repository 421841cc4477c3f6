import { mkdirSync, readFileSync, realpathSync, symlinkSync, writeFileSync } from 'node:fs'
import { basename, dirname, join, resolve } from 'node:path'
import type { Sysfs } from '../../../agent/host/ports.ts'
import { parseRecording, type Recording } from '../../../agent/inventory/recording.ts'

const recordings = join(import.meta.dirname, '../../fixtures/sysfs')

export const readRecording = (host: string): string => readFileSync(join(recordings, `${host}.txt`), 'utf8')

/** One of test/fixtures/sysfs, which can be read but not written. */
export const recordedSysfs = (host: string): Sysfs => createRecordedSysfs(parseRecording(readRecording(host)))

export function createRecordedSysfs(recording: Recording): Sysfs {
  const namesByDirectory = new Map<string, Set<string>>()
  for (const path of recording.keys()) {
    for (let below = path; below.includes('/'); below = dirname(below)) {
      const directory = dirname(below)
      namesByDirectory.set(directory, (namesByDirectory.get(directory) ?? new Set()).add(basename(below)))
    }
  }
  const readLink = async (path: string) => {
    const entry = recording.get(path)
    return entry?.kind === 'link' ? entry.target : undefined
  }
  return {
    read: async (path) => {
      const entry = recording.get(path)
      return entry?.kind === 'file' ? entry.text : undefined
    },
    list: async (path) => [...(namesByDirectory.get(path) ?? [])].sort(),
    readLink,
    readLinkName: async (path) => {
      const target = await readLink(path)
      return target === undefined ? undefined : basename(target)
    },
    // No recording has what only a device itself can tell.
    readBytes: async () => undefined,
    write: async (path) => {
      throw new Error(`A recorded host can't be changed: ${path}`)
    },
  }
}

/** As real files and links below a directory. Links come before what is read through them. */
export function writeTree(recording: Recording, root: string): void {
  for (const [path, entry] of recording) {
    const at = join(root, path)
    mkdirSync(entry.kind === 'name' ? at : dirname(at), { recursive: true })
    if (entry.kind === 'file') writeFileSync(at, `${entry.text}\n`)
    if (entry.kind === 'link') {
      symlinkSync(entry.target, at)
      mkdirSync(resolve(realpathSync(dirname(at)), entry.target), { recursive: true })
    }
  }
}
