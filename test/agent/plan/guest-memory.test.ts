import { describe, expect, it } from 'vitest'
import { planMemory } from '../../../agent/plan/guest-memory.ts'
import { type HostHardware, nothingHeld } from '../../../agent/plan/host-hardware.ts'
import { guestOfGpus, hgxHost } from './hgx-host.ts'

const gib = 1024

/** The host with other huge pages in each of its cells. */
function hostWith(...pools: (readonly { pageMib: number; freePages: number }[])[]): HostHardware {
  const host = hgxHost()
  return {
    ...host,
    cells: host.cells.map((cell, index) => ({
      ...cell,
      hugepages: (pools[index] ?? []).map((pool) => ({ ...pool, totalPages: pool.freePages })),
    })),
  }
}

const planOn = (hardware: HostHardware, memoryMib: number, nodeIds: readonly number[], held = nothingHeld) =>
  planMemory({ spec: { vcpus: 22, memoryMib }, nodeIds, hardware, held })

describe('the memory of a guest with GPUs', () => {
  it('is of the largest pages of which every one of its cells has enough', () => {
    const both = [
      { pageMib: 2, freePages: 512 * 100 },
      { pageMib: 1024, freePages: 50 },
    ]
    const small = [{ pageMib: 2, freePages: 512 * 100 }]
    const pages = (hardware: HostHardware, memoryMib: number) =>
      planOn(hardware, memoryMib, [0, 1]).map(({ pageMib }) => pageMib)
    expect(pages(hostWith(both, both), 100 * gib)).toEqual([1024, 1024])
    expect(pages(hostWith(both, small), 100 * gib)).toEqual([2, 2])
    expect(pages(hostWith(both, both), 102 * gib)).toEqual([2, 2])
    expect(pages(hostWith(both, []), 100 * gib)).toEqual([0, 0])
    expect(pages(hostWith(both, both), 20 * gib + 512)).toEqual([2, 2])
  })

  it('is divided by whole GiB, and none of it is lost', () => {
    const sizes = planOn(hgxHost(), 101 * gib + 7, [0, 1]).map(({ sizeMib }) => sizeMib)
    expect(sizes).toEqual([50 * gib, 51 * gib + 7])
  })

  it('comes from its cells alone while they have it, and from them first where they may not', () => {
    const hardware = hostWith([], [])
    const isBound = (memoryMib: number, heldMib = 0) =>
      planOn(hardware, memoryMib, [0], { cpus: new Set(), memoryMib: new Map([[0, heldMib]]) })[0]?.isBound
    expect(isBound(1000 * gib)).toBe(true)
    expect(isBound(1000 * gib, 100 * gib)).toBe(false)
    // What is set aside for huge pages is none that small ones could be of.
    expect(planOn(hgxHost({ hasHugepages: true }), 65 * gib + 1, [0])[0]).toMatchObject({
      ...{ pageMib: 0, isBound: false },
    })
  })

  it('lies anywhere where the host names no cells', () => {
    const [memory] = planOn(hgxHost(), guestOfGpus(4).memoryMib, [])
    expect(memory).toMatchObject({ pageMib: 1024, nodeId: undefined, isBound: false })
  })
})
