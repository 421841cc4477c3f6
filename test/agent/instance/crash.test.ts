// A guest that crashes and is started again by its host, with the agent killed around every call of that.
import { beforeEach, describe, expect, it } from 'vitest'
import { afterCrash } from '../../../agent/instance/crash.ts'
import type { Supervisor } from '../../../agent/instance/supervisor.ts'
import { DesiredState, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { seen, startAgentOn, untilPhase } from './agent-on.ts'
import { commandFor, instanceUid, spec as specOfOne } from './commands.ts'
import { until } from './eager-clock.ts'
import { FakeHost, type Fault } from './fake-host.ts'

const { REPAIRING, CRASHED, RUNNING, STOPPED, ABSENT } = InstancePhase
const spec = { ...specOfOne, automaticRestart: true }

describe('afterCrash', () => {
  const why = 'its process is gone.'
  const wish = { spec, desiredState: DesiredState.RUNNING }
  const pauseOf = (crashes: Parameters<typeof afterCrash>[0]['crashes'], nowMs: number) => {
    const after = afterCrash({ ...wish, crashes }, { why, nowMs })
    return { ...after, pauseMs: Number(after.crashes?.startAtUnixMs) - nowMs }
  }

  it('waits twice as long each time in a row, and five minutes at most', () => {
    const pauses: number[] = []
    let nowMs = 1000
    let crashes: Parameters<typeof pauseOf>[0]
    for (let crash = 0; crash < 12; crash += 1) {
      const after = pauseOf(crashes, nowMs)
      pauses.push(after.pauseMs)
      crashes = after.crashes
      nowMs += after.pauseMs + 60_000
    }
    expect(pauses.slice(0, 4)).toEqual([1000, 2000, 4000, 8000])
    expect(pauses.slice(-2)).toEqual([300_000, 300_000])
  })

  it('begins anew for a guest that has run for ten minutes', () => {
    const first = pauseOf(undefined, 0)
    const second = pauseOf(first.crashes, 599_000)
    expect(second.pauseMs).toBe(2000)
    expect(second.message).toContain('crash 2 in a row')
    expect(pauseOf(second.crashes, 601_000 + 600_000).pauseMs).toBe(1000)
  })

  it('leaves alone what is not to be started again, or is not to run any more', () => {
    const never = { ...wish, spec: specOfOne, crashes: undefined }
    expect(afterCrash(never, { why, nowMs: 0 })).toMatchObject({ phase: CRASHED })
    const stopping = { ...wish, desiredState: DesiredState.STOPPED, crashes: undefined }
    expect(afterCrash(stopping, { why, nowMs: 0 })).toMatchObject({ phase: CRASHED })
  })
})

describe('a guest that crashes', () => {
  let host: FakeHost
  beforeEach(() => {
    host = new FakeHost()
  })

  const startAgent = (fault?: Fault) => startAgentOn(host, fault)

  async function bringUp(): Promise<Supervisor> {
    const { supervisor } = await startAgent()
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 1, spec }))
    await untilPhase(supervisor, RUNNING)
    return supervisor
  }

  async function takeDown(supervisor: Supervisor, untouched: object) {
    await supervisor.accept(commandFor({ desired: 'ABSENT', generation: 9 }))
    await untilPhase(supervisor, ABSENT)
    const tombstone = seen(supervisor)
    if (tombstone) supervisor.reported(tombstone)
    await until(() => host.files.paths().every((path) => !path.includes(instanceUid)), 'no file is left')
    expect(host.holdings()).toEqual(untouched)
  }

  it('runs again as another process, with its disk, and has never let go of what it holds', async () => {
    const untouched = host.holdings()
    const supervisor = await bringUp()
    const [pid] = host.guestPids()
    const told: unknown[] = []
    supervisor.onObservation((one) => {
      if (one.$typeName === 'berth.agent.v1.InstanceObservation') told.push([one.phase, one.released])
    })
    host.killGuest()
    await untilPhase(supervisor, REPAIRING)
    expect(seen(supervisor)).toMatchObject({
      ...{ reason: 'GUEST_CRASHED', released: false, settled: false },
      message: expect.stringContaining('It is started again in 1 s.') as string,
    })
    await untilPhase(supervisor, RUNNING)
    expect(host.guestPids()).toHaveLength(1)
    expect(host.guestPids()).not.toEqual([pid])
    expect(told.filter((one) => (one as [number, boolean])[1])).toEqual([])
    await takeDown(supervisor, untouched)
  })

  it('is stopped where it is stopped while it waits, and gone where it is deleted', async () => {
    const untouched = host.holdings()
    const supervisor = await bringUp()
    host.killGuest()
    await untilPhase(supervisor, REPAIRING)
    await supervisor.accept(commandFor({ desired: 'STOPPED', generation: 2, spec }))
    await untilPhase(supervisor, STOPPED)
    await until(() => seen(supervisor)?.settled === true, 'it is at rest')
    expect([seen(supervisor)?.released, host.guestPids()]).toEqual([true, []])
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 3, spec }))
    await untilPhase(supervisor, RUNNING)
    host.killGuest()
    await untilPhase(supervisor, REPAIRING)
    await takeDown(supervisor, untouched)
  })

  it.each(['before', 'after'] as const)('comes up whatever call the agent is killed %s', async (when) => {
    const count = await callsOfRepair()
    expect(count).toBeGreaterThan(10)
    for (let call = 1; call <= count; call += 1) {
      host = new FakeHost()
      const untouched = host.holdings()
      await (await bringUp()).close()
      host.killGuest()
      const killed = await startAgent({ call, when, how: 'crash' })
      await until(() => killed.calls() >= call, `call ${call}`)
      const { supervisor } = await startAgent()
      await untilPhase(supervisor, RUNNING)
      expect(host.guestPids()).toHaveLength(1)
      await takeDown(supervisor, untouched)
    }
  })

  it('comes up whatever fails on the way', async () => {
    const count = await callsOfRepair()
    for (let call = 1; call <= count; call += 1) {
      host = new FakeHost()
      const untouched = host.holdings()
      await (await bringUp()).close()
      host.killGuest()
      const { supervisor } = await startAgent({ call, when: 'before', how: 'fail' }).catch(() => startAgent())
      await untilPhase(supervisor, RUNNING)
      await takeDown(supervisor, untouched)
    }
  })

  async function callsOfRepair(): Promise<number> {
    host = new FakeHost()
    await (await bringUp()).close()
    host.killGuest()
    const { supervisor, calls } = await startAgent({
      call: Number.POSITIVE_INFINITY,
      when: 'before',
      how: 'crash',
    })
    await untilPhase(supervisor, RUNNING)
    return calls()
  }
})
