import { describe, expect, it } from 'vitest'
import { planGuestHardware } from '../../../agent/plan/guest-hardware.ts'
import { planPinned } from '../../../agent/plan/pinned.ts'
import { driftOf, readToldCells } from '../../../agent/plan/told-cells.ts'
import type { InstanceSpec } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { guestOfGpus, hgxHost, toldIn } from './hgx-host.ts'

const facts = { machineType: 'pc-q35-7.2', accelerator: 'kvm', runAsUid: 200_000 } as const

function plan(spec: InstanceSpec, hardware = hgxHost(), heldCpus: readonly number[] = []) {
  const pinned = planPinned(spec, facts, hardware)
  const held = { cpus: new Set(heldCpus), memoryMib: new Map() }
  return { pinned, planned: planGuestHardware({ spec, pinned, hardware, held }) }
}

const cpusOfNode = (node: number) =>
  [0, 96].flatMap((thread) => Array.from({ length: 48 }, (_, core) => thread + 48 * node + core))

describe('a guest whose cells the scheduler has chosen', () => {
  it('with GPUs is there, also where they are not', () => {
    const { pinned, planned } = plan(toldIn(guestOfGpus(2), 1))
    expect(planned?.nodeIds).toEqual([1])
    expect(planned?.memory).toMatchObject([{ nodeId: 1, isBound: true, sizeMib: 400 * 1024 }])
    expect(planned?.pinning?.isExclusive).toBe(true)
    expect(cpusOfNode(1)).toEqual(expect.arrayContaining(planned?.pinning?.vcpus.flat() ?? []))
    expect(pinned.hardware?.cells).toBe(1)
  })

  it('is divided as the scheduler has counted it', () => {
    const { pinned, planned } = plan(toldIn(guestOfGpus(2), 0, 1))
    expect(planned?.nodeIds).toEqual([0, 1])
    expect(planned?.memory.map(({ sizeMib }) => sizeMib)).toEqual([200 * 1024, 200 * 1024])
    expect(pinned.hardware?.cells).toBe(2)
  })

  it('runs anywhere where it has what was left here and there', () => {
    const spec = { ...guestOfGpus(2), cells: toldIn(guestOfGpus(2), 0, 1).cells }
    const [one, two] = spec.cells
    if (!one || !two) throw new Error('It has two.')
    spec.cells = [
      { ...one, vcpus: one.vcpus - 3 },
      { ...two, vcpus: two.vcpus + 3 },
    ]
    expect(readToldCells(spec, hgxHost())).toEqual({ kind: 'anywhere' })
    const { pinned, planned } = plan(spec)
    expect(planned?.pinning).toBeUndefined()
    expect(planned?.memory).toMatchObject([{ nodeId: undefined }])
    expect(pinned.hardware?.cells).toBe(0)
  })

  it('is planned as if nothing had been said where the cell is gone or has become too small', () => {
    const spec = toldIn(guestOfGpus(2), 2)
    expect(readToldCells(spec, hgxHost())).toMatchObject({
      kind: 'no-room',
      message: expect.stringContaining('node 2 is not there or too small'),
    })
    expect(plan(spec).planned).toEqual(plan(guestOfGpus(2)).planned)
    const host = hgxHost()
    const small = { ...host, cells: host.cells.map((cell) => ({ ...cell, cores: cell.cores.slice(0, 20) })) }
    const large = toldIn({ ...guestOfGpus(2), vcpus: 44 }, 1)
    expect(readToldCells(large, small).kind).toBe('no-room')
  })

  it('without GPUs has its threads there, beside those of others but on no CPU that is one’s own', () => {
    const spec = toldIn({ ...guestOfGpus(0), vcpus: 3, memoryMib: 1024 }, 1)
    const held = [48, 49, 144, 145]
    const { pinned, planned } = plan(spec, hgxHost(), held)
    const free = cpusOfNode(1).filter((cpu) => !held.includes(cpu))
    expect(planned?.pinning?.emulator.toSorted((a, b) => a - b)).toEqual(free.toSorted((a, b) => a - b))
    expect(planned?.pinning?.vcpus).toHaveLength(3)
    expect(planned).toMatchObject({ nodeIds: [1], memory: [] })
    expect(pinned.hardware).toBeUndefined()
  })

  it('without GPUs is nowhere in particular where nothing was said', () => {
    expect(plan({ ...guestOfGpus(0), vcpus: 3 }).planned).toBeUndefined()
  })
})

describe('the drift of a guest', () => {
  const spec = toldIn(guestOfGpus(2), 1)

  it('is none where it is in its cells, where it is to be anywhere, and where none were named', () => {
    expect(driftOf(spec, hgxHost(), [1])).toBe('')
    expect(driftOf(guestOfGpus(2), hgxHost(), [0])).toBe('')
    const [one, two] = toldIn(guestOfGpus(2), 0, 1).cells
    if (!one || !two) throw new Error('It has two.')
    const uneven = [
      { ...one, vcpus: one.vcpus - 3 },
      { ...two, vcpus: two.vcpus + 3 },
    ]
    expect(driftOf({ ...spec, cells: uneven }, hgxHost(), [])).toBe('')
  })

  it('says what its cell lacks, or what else keeps it away', () => {
    expect(driftOf(toldIn(guestOfGpus(2), 2), hgxHost(), [0])).toContain(
      'on NUMA node 2, and node 2 is not there',
    )
    expect(driftOf(spec, hgxHost(), [])).toContain('made for another number of them')
    expect(driftOf(spec, undefined, [])).toContain('are not known')
  })
})
