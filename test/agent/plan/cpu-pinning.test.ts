import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { ownCpus, planPinning } from '../../../agent/plan/cpu-pinning.ts'
import { planTopology } from '../../../agent/plan/guest-topology.ts'
import type { HostHardware } from '../../../agent/plan/host-hardware.ts'
import { planPinned } from '../../../agent/plan/pinned.ts'
import { renderCpuList } from '../../../proto/cpu-list.ts'
import type { InstanceSpec } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { guestOfGpus, hgxHost } from './hgx-host.ts'

const facts = { machineType: 'pc-q35-7.2', accelerator: 'kvm', runAsUid: 200_000 } as const

function pinningOf(spec: InstanceSpec, heldCpus: Iterable<number> = [], hardware: HostHardware = hgxHost()) {
  const pinned = planPinned(spec, facts, hardware).hardware
  if (!pinned) throw new Error('No hardware is pinned.')
  const { nodeIds } = planTopology(spec, hardware)
  const held = { cpus: new Set(heldCpus), memoryMib: new Map<number, number>() }
  return planPinning({ spec, pinned, nodeIds, hardware, held })
}

describe('the CPUs of a guest with GPUs', () => {
  it('are whole cores of their cell, the last ones first, with threads that share a core side by side', () => {
    const pinning = pinningOf(guestOfGpus(1))
    expect(pinning?.isExclusive).toBe(true)
    // 11 cores of the 48 of cell 0, whose second threads are numbered from 96 on.
    expect(pinning?.vcpus.slice(0, 4)).toEqual([[37], [133], [38], [134]])
    expect(pinning?.vcpus.at(-1)).toEqual([143])
    expect(renderCpuList(pinning?.emulator ?? [])).toBe('0-36,96-132')
  })

  it('are of each of its cells in turn', () => {
    const pinning = pinningOf(guestOfGpus(8))
    const halves = [pinning?.vcpus.slice(0, 88), pinning?.vcpus.slice(88)].map((half) => half?.flat() ?? [])
    expect(halves.map(renderCpuList)).toEqual(['4-47,100-143', '52-95,148-191'])
    expect(renderCpuList(pinning?.emulator ?? [])).toBe('0-3,48-51,96-99,144-147')
  })

  it('are shared where too few whole cores are free, and never those of others while there are any', () => {
    const held = Array.from({ length: 40 }, (_, index) => index)
    const pinning = pinningOf(guestOfGpus(1), held)
    expect(pinning?.isExclusive).toBe(false)
    expect(ownCpus(pinning)).toEqual([])
    expect(pinning?.vcpus).toHaveLength(22)
    expect(renderCpuList(pinning?.vcpus[0] ?? [])).toBe('40-47,96-143')
  })

  it('are anywhere where the host names no cells', () => {
    expect(pinningOf(guestOfGpus(4), [], hgxHost({ isNumaKnown: false }))).toBeUndefined()
  })

  it('are nobody else’s, whoever comes in which order', () => {
    fc.assert(
      fc.property(fc.shuffledSubarray([0, 1, 2, 3, 4, 5, 6, 7], { minLength: 1 }), (order) => {
        const held = new Set<number>()
        for (const gpu of order) {
          const pinning = pinningOf(guestOfGpus(1, gpu), held)
          const own = ownCpus(pinning)
          expect(own).toHaveLength(22)
          expect(own.filter((cpu) => held.has(cpu) || pinning?.emulator.includes(cpu))).toEqual([])
          expect(new Set(own.map((cpu) => Math.floor((cpu % 96) / 48)))).toEqual(new Set([gpu < 4 ? 0 : 1]))
          for (const cpu of own) held.add(cpu)
        }
      }),
      { numRuns: 20 },
    )
  })
})

it.each([
  [[], ''],
  [[3], '3'],
  [[7, 0, 1, 2], '0-2,7'],
])('writes %j as %s', (cpus, text) => {
  expect(renderCpuList(cpus)).toBe(text)
})
