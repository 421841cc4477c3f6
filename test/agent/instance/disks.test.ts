// Disks that come and go under a guest that runs, with the agent killed around every call of it.
import { create } from '@bufbuild/protobuf'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Supervisor } from '../../../agent/instance/supervisor.ts'
import { volumePaths } from '../../../agent/plan/paths.ts'
import { DiskPhase, EnsureDiskSchema } from '../../../proto/gen/berth/agent/v1/disk_pb.ts'
import { DesiredState, DiskSchema, type InstanceSpec } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { CommandOutcome, CommandSchema } from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { seen, startAgentOn } from './agent-on.ts'
import { commandFor, spec } from './commands.ts'
import { until } from './eager-clock.ts'
import { directories, FakeHost, type Fault } from './fake-host.ts'

const volumeUid = '0192f0c1-3333-7000-8000-000000000001'
const data = create(DiskSchema, { deviceName: 'data', sizeGb: 2, volumeUid })
const withData: InstanceSpec = { ...spec, disks: [...spec.disks, data] }
const path = volumePaths(directories, volumeUid).data
let host: FakeHost
beforeEach(() => {
  host = new FakeHost()
})

const startAgent = (fault?: Fault) => startAgentOn(host, fault)

async function ask(supervisor: Supervisor, generation: number, wanted: InstanceSpec) {
  await supervisor.accept(commandFor({ desired: 'RUNNING', generation, startGeneration: 1, spec: wanted }))
  await untilRest(supervisor, generation)
}

const untilRest = (supervisor: Supervisor, generation: number) =>
  until(() => {
    const now = seen(supervisor)
    return now?.settled === true && now.generation === generation
  }, `it is at rest at generation ${generation}`)

const removal = (generation: number) =>
  create(CommandSchema, {
    ...{ sequence: BigInt(100 + generation), epoch: 1, uid: volumeUid, generation },
    body: { case: 'ensureDisk', value: create(EnsureDiskSchema, { desiredState: DesiredState.ABSENT }) },
  })

describe('a disk of a guest that runs', () => {
  it('is attached as the guest’s own, grown, detached, and stays on the host', async () => {
    const { supervisor } = await startAgent()
    await ask(supervisor, 1, spec)
    await ask(supervisor, 2, withData)
    expect(seen(supervisor)).toMatchObject({ volumeUids: [volumeUid], reason: 'DISKS_CHANGED' })
    expect(host.guestDisks.has('data')).toBe(true)
    await ask(supervisor, 3, { ...spec, disks: [...spec.disks, { ...data, sizeGb: 4 }] })
    expect(host.guestDisks.get('data')).toBe(4 * 1024 ** 3)
    expect(await supervisor.accept(removal(2))).toMatchObject({ outcome: CommandOutcome.INVALID })
    await ask(supervisor, 4, spec)
    expect(seen(supervisor)?.volumeUids).toEqual([])
    expect(host.guestDisks.size).toBe(0)
    expect(await host.files.stat(path)).toMatchObject({ uid: 0 })
  })

  it('that is refused either way is told, and is as it was', async () => {
    const { supervisor } = await startAgent()
    await ask(supervisor, 1, spec)
    host.refusesDisks = true
    await ask(supervisor, 2, withData)
    expect(seen(supervisor)).toMatchObject({ volumeUids: [], reason: 'PLUG_REFUSED' })
    host.refusesDisks = false
    await ask(supervisor, 3, withData)
    host.refusesDisks = true
    await ask(supervisor, 4, spec)
    expect(seen(supervisor)).toMatchObject({ volumeUids: [volumeUid], reason: 'UNPLUG_REFUSED' })
    expect(seen(supervisor)?.message).toContain('did not answer')
  })

  it('is attached and detached by whoever comes after a killed agent', async () => {
    const { supervisor, calls } = await startAgent({
      call: Number.POSITIVE_INFINITY,
      when: 'before',
      how: 'crash',
    })
    await ask(supervisor, 1, spec)
    const before = calls()
    await ask(supervisor, 2, withData)
    await ask(supervisor, 3, spec)
    expect(calls()).toBeGreaterThan(before)
    for (let call = before + 1; call <= calls(); call += 1) {
      for (const when of ['before', 'after'] as const) {
        host = new FakeHost()
        const dying = await startAgent({ call, when, how: 'crash' })
        await ask(dying.supervisor, 1, spec)
        void dying.supervisor.accept(
          commandFor({ desired: 'RUNNING', generation: 2, startGeneration: 1, spec: withData }),
        )
        await until(
          () => dying.calls() >= call || seen(dying.supervisor)?.volumeUids.length === 1,
          'it died or is done',
        )
        const { supervisor: next } = await startAgent()
        await ask(next, 3, withData)
        expect([when, call, seen(next)?.volumeUids, host.guestDisks.has('data')]).toEqual([
          when,
          call,
          [volumeUid],
          true,
        ])
        await ask(next, 4, spec)
        expect([when, call, host.guestDisks.size]).toEqual([when, call, 0])
      }
    }
  })
})

describe('a disk that is to go', () => {
  it('is removed, with a proof that lasts until it is known', async () => {
    const first = await startAgent()
    await host.files.makeDirectory(volumePaths(directories, volumeUid).directory)
    host.files.place(path, {})
    expect(await first.supervisor.accept(removal(2))).toMatchObject({ outcome: CommandOutcome.ACCEPTED })
    await until(() => !host.files.paths().includes(path), 'the file is gone')
    const { supervisor } = await startAgent()
    const [proof] = supervisor.observations()
    expect(proof).toMatchObject({ uid: volumeUid, generation: 2, phase: DiskPhase.ABSENT })
    if (proof) supervisor.reported(proof)
    await until(() => host.files.paths().every((one) => !one.includes(volumeUid)), 'nothing is left')
  })
})
