// The worker's end of guests' attributes: the only files that it writes, each made for one guest by the agent. It can make
// none, and what it writes has a size that it checks first.
import { open } from 'node:fs/promises'
import { createTurns } from '../../lib/turns.ts'
import { attributeLimits, type GuestAttribute, putAttribute, readSlots } from './guest-attributes.ts'

export type SlotPaths = readonly [string, string]

export interface AttributeStore {
  read(paths: SlotPaths): Promise<readonly GuestAttribute[]>
  /** Durable when it resolves. undefined, or why it was not done. @throws where the host can't write it */
  put(
    paths: SlotPaths,
    change: Omit<GuestAttribute, 'value'> & { readonly value: string | undefined },
  ): Promise<string | undefined>
}

/** One for all networks: a guest may be in several. */
export function createAttributeStore(): AttributeStore {
  const turns = createTurns()
  const readAll = async ([first, second]: SlotPaths) =>
    readSlots([await readSlot(first), await readSlot(second)])
  return {
    read: async (paths) => (await turns.alone(paths[0], () => readAll(paths))).attributes,
    put: (paths, change) =>
      turns.alone(paths[0], async () => {
        const slots = await readAll(paths)
        const putting = putAttribute(slots, change)
        if (putting.kind === 'refused') return putting.sentence
        await writeSlot(paths[slots.free], putting.content)
        return undefined
      }),
  }
}

async function readSlot(path: string): Promise<string | undefined> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(Buffer.alloc(attributeLimits.slotBytes + 1))
    return bytesRead > attributeLimits.slotBytes ? undefined : buffer.toString('utf8', 0, bytesRead)
  } finally {
    await file.close()
  }
}

/** In place: the directory is not the worker's. */
async function writeSlot(path: string, content: string): Promise<void> {
  const file = await open(path, 'r+')
  try {
    await file.truncate(0)
    await file.writeFile(content)
    await file.datasync()
  } finally {
    await file.close()
  }
}
