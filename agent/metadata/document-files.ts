import { type FSWatcher, type Stats, statSync, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import { type Document, parseDocument } from './document.ts'

/** One network's documents. */
export interface DocumentFiles {
  /**
   * The document of the guest with this address; undefined where the agent has put none. Looked for at each request, of
   * those that have come together once: what the agent has just published is what the guest gets.
   */
  read(ipv4Address: string): Promise<Document | undefined>
  /** Calls at each change of the guest's document, and for safety also without one. The result ends it. */
  watch(ipv4Address: string, onChange: () => void): () => void
}

/** Two files of one name that are written at once may look the same by number, time and size: not those this far apart. */
const settledMs = 1000

export function createDocumentFiles(directory: string, clock: Clock): DocumentFiles {
  /** What was read, by address, and of which file. */
  const known = new Map<string, { readonly info: Stats; readonly document: Document }>()
  /** Whose file was looked at since the event loop last waited. */
  const looked = new Set<string>()
  const noteLook = (address: string) => {
    if (looked.size === 0) setImmediate(() => looked.clear())
    looked.add(address)
  }
  const listeners = new Map<string, Set<() => void>>()
  let watcher: FSWatcher | undefined

  const tell = (fileName: string | null) => {
    for (const [name, calls] of listeners) {
      if (fileName === null || fileName === name) for (const call of calls) call()
    }
  }
  /** One for all who wait; none while nobody does. */
  const open = () => {
    if (watcher !== undefined) return
    try {
      watcher = watch(directory, (_event, fileName) => tell(fileName))
      watcher.on('error', close)
    } catch {
      // It is gone with its network; whoever waits sees that by himself.
    }
  }
  const close = () => {
    watcher?.close()
    watcher = undefined
  }

  return {
    read: async (ipv4Address) => {
      const held = known.get(ipv4Address)
      if (held !== undefined && looked.has(ipv4Address)) return held.document
      if (!isIPv4(ipv4Address)) return undefined
      const path = `${directory}/${ipv4Address}.json`
      // Microseconds, where a turn of another thread would cost many times that.
      const info = statSync(path, { throwIfNoEntry: false })
      if (info !== undefined && held && isSame(held.info, info)) {
        noteLook(ipv4Address)
        return held.document
      }
      known.delete(ipv4Address)
      const text = info && (await readText(path))
      if (info === undefined || text === undefined) return undefined
      const document = parseDocument(text)
      const isSettled = clock.nowMs() - info.ctimeMs > settledMs
      if (isSettled) known.set(ipv4Address, { info, document })
      return document
    },
    watch: (ipv4Address, onChange) => {
      const name = `${ipv4Address}.json`
      const calls = listeners.get(name) ?? new Set()
      listeners.set(name, calls.add(onChange))
      open()
      return () => {
        calls.delete(onChange)
        if (calls.size === 0 && listeners.get(name) === calls) listeners.delete(name)
        if (listeners.size === 0) close()
      }
    },
  }
}

/** The agent never writes into a file that is there: each document is a new one. */
const isSame = (one: Stats, other: Stats) =>
  one.ino === other.ino && one.ctimeMs === other.ctimeMs && one.size === other.size

/** undefined where there is no such file. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined
    throw thrown
  }
}
