import { create } from '@bufbuild/protobuf'
import { beforeEach, describe, expect, it } from 'vitest'
import { HardwareUse } from '../../../agent/instance/hardware-use.ts'
import { ownCpus } from '../../../agent/plan/cpu-pinning.ts'
import { planPinned } from '../../../agent/plan/pinned.ts'
import { InstancePhase, type InstanceSpec } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceRecord, InstanceRecordSchema } from '../../../proto/gen/berth/journal/v1/journal_pb.ts'
import { guestOfGpus, hgxHost } from '../plan/hgx-host.ts'

const facts = { machineType: 'pc-q35-7.2', accelerator: 'kvm', runAsUid: 200_000 } as const
const { STAGING, RUNNING, STOPPED } = InstancePhase

let records: Map<string, InstanceRecord>
let use: HardwareUse

beforeEach(() => {
  records = new Map()
  const listInstances = async () =>
    [...records.values()].map((record) => ({ kind: 'record' as const, record }))
  use = new HardwareUse({ read: async () => hgxHost(), journal: { listInstances } })
})

/** A half of cell 0: two of them fill it. */
const guest = (name: string): InstanceSpec => ({ ...guestOfGpus(2), uid: name })

function note(spec: InstanceSpec, phase: InstancePhase, cpus?: readonly number[]): void {
  const process = cpus === undefined ? {} : { process: { pid: 1, cpus: [...cpus] } }
  records.set(spec.uid, create(InstanceRecordSchema, { uid: spec.uid, spec, phase, ...process }))
}

async function start(spec: InstanceSpec): Promise<readonly number[]> {
  note(spec, STAGING)
  return ownCpus((await use.plan(spec, planPinned(spec, facts, hgxHost())))?.pinning)
}

describe('CPUs of guests with GPUs', () => {
  it('are different ones for two that start at once', async () => {
    const [one = [], two = []] = await Promise.all([start(guest('one')), start(guest('two'))])
    expect([one.length, two.length]).toEqual([44, 44])
    expect(one.filter((cpu) => two.includes(cpu))).toEqual([])
  })

  it('are kept for one that runs, also from an agent that does not know its start', async () => {
    const own = await start(guest('one'))
    note(guest('one'), RUNNING, own)
    const listInstances = async () =>
      [...records.values()].map((record) => ({ kind: 'record' as const, record }))
    use = new HardwareUse({ read: async () => hgxHost(), journal: { listInstances } })
    const other = await start(guest('two'))
    expect(other).toHaveLength(44)
    expect(other.filter((cpu) => own.includes(cpu))).toEqual([])
  })

  it('are free again when it has stopped, or has not come up', async () => {
    const own = await start(guest('one'))
    note(guest('one'), STOPPED)
    expect(await start(guest('two'))).toEqual(own)
    note(guest('two'), RUNNING, own)
    note(guest('two'), STOPPED)
    expect(await start(guest('three'))).toEqual(own)
  })

  it('are no matter of a guest without', async () => {
    const spec = guestOfGpus(0)
    expect(await use.plan(spec, planPinned(spec, facts))).toBeUndefined()
  })
})
