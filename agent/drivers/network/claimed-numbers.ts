import { createTurns } from '../../../lib/turns.ts'
import type { Files } from '../../host/ports.ts'
import { type AgentDirectories, networkDirectory } from '../../plan/paths.ts'

/** A number for each network that has one, no two the same on this host. What they number ends with the host's run. */
export interface ClaimedNumbers {
  read(networkUid: string): Promise<number | undefined>
  /** The lowest free one for which `isFree` has no objection; the same again for who has one. */
  claim(networkUid: string, isFree?: (number: number) => boolean): Promise<number>
  release(networkUid: string): Promise<void>
  /** Networks that have one. */
  holders(): Promise<readonly string[]>
}

export function createClaimedNumbers(options: {
  files: Files
  directories: AgentDirectories
  /** In the directory of each network. */
  fileName: string
  first: number
  last: number
  /** For people: what there is none left of. */
  what: string
}): ClaimedNumbers {
  const { files, directories, fileName, first, last, what } = options
  const pathOf = (networkUid: string) => `${networkDirectory(directories, networkUid)}/${fileName}`

  const read = async (networkUid: string) => {
    const content = await files.read(pathOf(networkUid))
    return content === undefined ? undefined : Number(new TextDecoder().decode(content))
  }
  const readAll = async () => {
    const uids = await files.list(`${directories.run}/networks`)
    return Promise.all(uids.map(async (uid) => ({ uid, number: await read(uid) })))
  }

  const turns = createTurns()

  return {
    read,
    // One after the other: two networks that look for a free number at once would find the same.
    claim: (networkUid, isFree = () => true) =>
      turns.alone(fileName, async () => {
        const known = await read(networkUid)
        if (known !== undefined) return known
        const taken = new Set((await readAll()).map(({ number }) => number))
        let number = first
        while (number <= last && (taken.has(number) || !isFree(number))) number += 1
        if (number > last) throw new Error(`This host has no ${what} left.`)
        await files.makeDirectory(networkDirectory(directories, networkUid), { mode: 0o755 })
        await files.writeAtomic(pathOf(networkUid), String(number), { durable: false })
        return number
      }),
    release: (networkUid) => files.remove(pathOf(networkUid)),
    holders: async () => (await readAll()).flatMap(({ uid, number }) => (number === undefined ? [] : [uid])),
  }
}
