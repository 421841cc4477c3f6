import { readFile } from 'node:fs/promises'
import { isIPv4 } from 'node:net'
import type { MetadataDocument } from '../drivers/metadata/port.ts'
import { parseDocument } from './document.ts'

/** The document of the guest with this address; undefined where the agent has put none. */
export type ReadDocument = (ipv4Address: string) => Promise<MetadataDocument | undefined>

/** One network's documents. Read at each request: what the agent has just published is what the guest gets. */
export function createDocumentFiles(directory: string): ReadDocument {
  return async (ipv4Address) => {
    if (!isIPv4(ipv4Address)) return undefined
    const text = await readFile(`${directory}/${ipv4Address}.json`, 'utf8').catch((thrown: unknown) => {
      if (thrown instanceof Error && 'code' in thrown && thrown.code === 'ENOENT') return undefined
      throw thrown
    })
    return text === undefined ? undefined : parseDocument(text)
  }
}
