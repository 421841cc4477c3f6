import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { beforeEach, describe, expect, it } from 'vitest'
import { HardwareUse } from '../../../agent/instance/hardware-use.ts'
import { ownCpus } from '../../../agent/plan/cpu-pinning.ts'
import type { HostHardware } from '../../../agent/plan/host-hardware.ts'
import { planPinned } from '../../../agent/plan/pinned.ts'
import { silentLogger } from '../../../lib/log.ts'
import { CellShareSchema, type InstanceSpec } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  type HostShare,
  type InstanceRecord,
  InstanceRecordSchema,
} from '../../../proto/gen/berth/journal/v1/journal_pb.ts'
import { guestOfGpus, hgxHost } from '../plan/hgx-host.ts'

const facts = { machineType: 'pc-q35-7.2', accelerator: 'kvm', runAsUid: 200_000 } as const

let records: Map<string, InstanceRecord>
let use: HardwareUse
let hardware: HostHardware

/** Another one is another agent's. */
function newUse(): HardwareUse {
  const listInstances = async () =>
    [...records.values()].map((record) => ({ kind: 'record' as const, record }))
  return new HardwareUse({ read: async () => hardware, journal: { listInstances }, log: silentLogger })
}

beforeEach(() => {
  records = new Map()
  hardware = hgxHost()
  use = newUse()
})

/** A half of cell 0: two of them fill it. */
const guest = (name: string): InstanceSpec => ({ ...guestOfGpus(2), uid: name })

function note(spec: InstanceSpec, change: MessageInitShape<typeof InstanceRecordSchema> = {}): void {
  records.set(spec.uid, create(InstanceRecordSchema, { uid: spec.uid, spec, ...change }))
}

async function start(spec: InstanceSpec): Promise<readonly number[]> {
  note(spec)
  const pinned = planPinned(spec, facts, hgxHost())
  const planned = await use.plan(spec, pinned, async (hostShare) => {
    // As long as a write takes: nobody else chooses meanwhile.
    await new Promise((resolve) => setTimeout(resolve, 5))
    note(spec, { hostShare })
  })
  const own = ownCpus(planned?.pinning)
  expect(records.get(spec.uid)?.hostShare?.cpus).toEqual(own)
  return own
}

describe('CPUs of guests with GPUs', () => {
  it('are different ones for two that start at once', async () => {
    const [one = [], two = []] = await Promise.all([start(guest('one')), start(guest('two'))])
    expect([one.length, two.length]).toEqual([44, 44])
    expect(one.filter((cpu) => two.includes(cpu))).toEqual([])
  })

  it('are kept for one whose agent was killed before it had noted the process', async () => {
    const own = await start(guest('one'))
    use = newUse()
    const other = await start(guest('two'))
    expect(other).toHaveLength(44)
    expect(other.filter((cpu) => own.includes(cpu))).toEqual([])
  })

  it('are kept for one that an earlier agent has started, which noted them with the process', async () => {
    const own = await start(guest('one'))
    note(guest('one'), { process: { pid: 1, cpus: [...own] } })
    const other = await start(guest('two'))
    expect(other).toHaveLength(44)
    expect(other.filter((cpu) => own.includes(cpu))).toEqual([])
  })

  it('are free again when it has ended, or has not come up', async () => {
    const own = await start(guest('one'))
    note(guest('one'))
    expect(await start(guest('two'))).toEqual(own)
  })

  it('are kept from guests without GPUs that have cells, whose memory is counted in turn', async () => {
    const own = await start(guest('one'))
    const memoryMib = 700 * 1024
    const plain = { ...guestOfGpus(0), uid: 'plain', vcpus: 2, memoryMib }
    const spec = { ...plain, cells: [create(CellShareSchema, { numaNode: 0, vcpus: 2, memoryMib })] }
    let noted: HostShare | undefined
    const planned = await use.plan(spec, planPinned(spec, facts), async (share) => {
      noted = share
    })
    expect(noted).toMatchObject({ cpus: [], numaNodes: [0] })
    const cpus = planned?.pinning?.emulator ?? []
    expect(cpus).toHaveLength(96 - own.length)
    expect(cpus.filter((cpu) => own.includes(cpu))).toEqual([])

    note(spec, { hostShare: noted })
    hardware = hgxHost({ hasHugepages: false })
    const next = guest('next')
    const bound = async () =>
      (await use.plan(next, planPinned(next, facts, hardware), async () => {}))?.memory[0]?.isBound
    expect(await bound()).toBe(false)
    records.delete('plain')
    expect(await bound()).toBe(true)
  })

  it('are no matter of a guest without', async () => {
    const spec = guestOfGpus(0)
    const noteNothing = async () => {
      throw new Error('There is nothing to note.')
    }
    expect(await use.plan(spec, planPinned(spec, facts), noteNothing)).toBeUndefined()
  })
})
