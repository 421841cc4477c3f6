import { type FSWatcher, watch } from 'node:fs'
import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import { type Document, parseDocument } from './document.ts'

/** One network's documents. */
export interface DocumentFiles {
  /**
   * The document of the guest with this address; undefined where the agent has put none. Read at each request: what the
   * agent has just published is what the guest gets.
   */
  read(ipv4Address: string): Promise<Document | undefined>
  /** Calls at each change of the guest's document, and for safety also without one. The result ends it. */
  watch(ipv4Address: string, onChange: () => void): () => void
}

export function createDocumentFiles(directory: string): DocumentFiles {
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
      if (!isIPv4(ipv4Address)) return undefined
      const text = await readText(`${directory}/${ipv4Address}.json`)
      return text === undefined ? undefined : parseDocument(text)
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

/** undefined where there is no such file. */
export async function readText(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (thrown) {
    if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined
    throw thrown
  }
}
