// One instance through the real supervisor, actor and journal, over a strict host: every step is made to fail once, and
// the agent is killed once around every call. Whatever happens, nothing is lost and nothing is left.
import { create } from '@bufbuild/protobuf'
import { beforeEach, describe, expect, it } from 'vitest'
import type { Supervisor } from '../../../agent/instance/supervisor.ts'
import { InstancePhase, MetadataItemSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { CommandOutcome } from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { bringUpOn, seen, startAgentOn, untilPhase } from './agent-on.ts'
import { commandFor, instanceUid, spec } from './commands.ts'
import { until } from './eager-clock.ts'
import { FakeHost, type Fault } from './fake-host.ts'

const running = commandFor({ desired: 'RUNNING', generation: 1 })
const stopped = commandFor({ desired: 'STOPPED', generation: 2 })
const absent = commandFor({ desired: 'ABSENT', generation: 3 })
const { STAGING, STOPPING, RUNNING, STOPPED, FAILED, CRASHED, ABSENT } = InstancePhase

let host: FakeHost
let untouched: object

beforeEach(() => {
  host = new FakeHost()
  untouched = host.holdings()
})

const startAgent = (fault?: Fault) => startAgentOn(host, fault)

const bringUp = () => bringUpOn(host)

async function takeDown(supervisor: Supervisor) {
  await supervisor.accept(absent)
  await untilPhase(supervisor, ABSENT)
  const tombstone = seen(supervisor)
  expect(tombstone?.released).toBe(true)
  if (tombstone) supervisor.reported(tombstone)
  await until(() => host.files.paths().every((path) => !path.includes(instanceUid)), 'no file is left')
  expect(host.holdings()).toEqual(untouched)
}

/** How many calls the work takes when nothing goes wrong. */
async function countCalls(
  work: (supervisor: Supervisor) => Promise<void>,
  how: Fault['how'],
): Promise<number> {
  const { supervisor, calls } = await startAgent({ call: Number.POSITIVE_INFINITY, when: 'before', how })
  await work(supervisor)
  return calls()
}

describe('an instance', () => {
  it('comes up, goes down, and leaves the host as it was', async () => {
    const supervisor = await bringUp()
    expect(host.guestPids()).toHaveLength(1)
    await takeDown(supervisor)
  })

  it('says what was known already and does nothing about it', async () => {
    const supervisor = await bringUp()
    const before = host.holdings()
    expect((await supervisor.accept(running)).outcome).toBe(CommandOutcome.STALE)
    expect(host.holdings()).toEqual(before)
  })

  it('keeps only its disk while it is stopped, and starts again with it', async () => {
    const supervisor = await bringUp()
    await supervisor.accept(stopped)
    await untilPhase(supervisor, STOPPED)
    await until(() => host.networks.size === 0, 'its network is gone')
    expect(host.holdings()).toMatchObject({ taps: [], processes: [], drivers: { '0000:3b:00.0': 'nvidia' } })
    expect(host.files.paths().filter((path) => path.endsWith('disk0.qcow2'))).toHaveLength(1)
    // The proof that frees CPU, memory and devices.
    expect(seen(supervisor)).toMatchObject({ released: true, settled: true, generation: 2 })
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 3 }))
    expect(seen(supervisor)).toMatchObject({ phase: STAGING, released: false, settled: false })
    await untilPhase(supervisor, RUNNING)
    await supervisor.accept(commandFor({ desired: 'ABSENT', generation: 4 }))
    await untilPhase(supervisor, ABSENT)
  })

  it('is ended at once when that is asked', async () => {
    const supervisor = await bringUp()
    host.ignoresPowerButton = true
    await supervisor.accept(commandFor({ desired: 'STOPPED', generation: 2, stopDeadlineMs: 3_600_000 }))
    await untilPhase(supervisor, STOPPING)
    await supervisor.accept(commandFor({ desired: 'STOPPED', generation: 3, stopDeadlineMs: 0 }))
    await untilPhase(supervisor, STOPPED)
    expect(seen(supervisor)).toMatchObject({ reason: 'STOP_FORCED', generation: 3 })
  })

  it('is told of work on its host, has its notice, and may be ready earlier', async () => {
    const supervisor = await bringUp()
    const noticeMs = 600_000
    const maintenance = commandFor({ desired: 'STOPPED', generation: 2, noticeMs })
    const eventNow = () => JSON.stringify([...host.documents.values()].map(({ gce }) => gce))
    expect(eventNow()).toContain('"maintenance-event":"NONE"')
    const beganMs = host.clock.nowMs()
    await supervisor.accept(maintenance)
    await until(() => eventNow().includes('TERMINATE_ON_HOST_MAINTENANCE'), 'the guest is told')
    expect(seen(supervisor)).toMatchObject({
      ...{ phase: STOPPING, reason: 'HOST_MAINTENANCE', released: false },
      message: 'Its host is to be worked on. The guest is told, and is asked to power off in 600 seconds.',
    })
    await untilPhase(supervisor, STOPPED)
    expect(host.clock.nowMs() - beganMs).toBeGreaterThanOrEqual(noticeMs)
    expect(seen(supervisor)).toMatchObject({ reason: 'HOST_MAINTENANCE', released: true })
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 3 }))
    await untilPhase(supervisor, RUNNING)
    expect(eventNow()).toContain('"maintenance-event":"NONE"')
    const againMs = host.clock.nowMs()
    await supervisor.accept(commandFor({ desired: 'STOPPED', generation: 4, noticeMs }))
    await until(() => eventNow().includes('TERMINATE_ON_HOST_MAINTENANCE'), 'the guest is told again')
    host.powerOffGuest()
    await untilPhase(supervisor, STOPPED)
    expect(host.clock.nowMs() - againMs).toBeLessThan(noticeMs)
    expect(seen(supervisor)).toMatchObject({
      ...{ reason: 'HOST_MAINTENANCE', released: true },
      message: 'Its host is to be worked on. The guest powered off as asked.',
    })
  })

  it('loses its notice to whoever wants it to be stopped, and keeps it over a restart of the agent', async () => {
    const supervisor = await bringUp()
    host.ignoresPowerButton = true
    const noticeMs = 600_000
    const beganMs = host.clock.nowMs()
    await supervisor.accept(commandFor({ desired: 'STOPPED', generation: 2, noticeMs }))
    await until(() => seen(supervisor)?.reason === 'HOST_MAINTENANCE', 'the notice has begun')
    await supervisor.close()
    const next = (await startAgent()).supervisor
    await untilPhase(next, STOPPED)
    // Counted from the first, not anew.
    const passedMs = host.clock.nowMs() - beganMs
    expect(passedMs).toBeGreaterThanOrEqual(noticeMs)
    expect(passedMs).toBeLessThan(noticeMs + 300_000)
    await next.accept(commandFor({ desired: 'RUNNING', generation: 3 }))
    await untilPhase(next, RUNNING)
    const againMs = host.clock.nowMs()
    await next.accept(commandFor({ desired: 'STOPPED', generation: 4, noticeMs }))
    await until(() => seen(next)?.reason === 'HOST_MAINTENANCE', 'the notice has begun again')
    await next.accept(commandFor({ desired: 'STOPPED', generation: 5, stopDeadlineMs: 0 }))
    await untilPhase(next, STOPPED)
    expect(host.clock.nowMs() - againMs).toBeLessThan(noticeMs)
    expect(seen(next)).toMatchObject({ reason: 'STOP_FORCED' })
  })

  it('is restarted: another process, the same disk, and rest after it', async () => {
    const supervisor = await bringUp()
    const [pid] = host.guestPids()
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 2 }))
    await until(() => seen(supervisor)?.settled === true, 'it is at rest')
    expect(seen(supervisor)).toMatchObject({ phase: RUNNING, generation: 2 })
    expect(host.guestPids()).toHaveLength(1)
    expect(host.guestPids()).not.toEqual([pid])
    await takeDown(supervisor)
  })

  it('goes on being restarted by the next agent', async () => {
    const first = await bringUp()
    host.ignoresPowerButton = true
    await first.accept(commandFor({ desired: 'RUNNING', generation: 2, stopDeadlineMs: 3_600_000 }))
    await untilPhase(first, STOPPING)
    void first.close()
    host.ignoresPowerButton = false
    const { supervisor } = await startAgent()
    await until(() => seen(supervisor)?.settled === true, 'it is at rest')
    expect(seen(supervisor)).toMatchObject({ phase: RUNNING, generation: 2 })
  })

  it('is started again where a start comes while it stops', async () => {
    const supervisor = await bringUp()
    host.ignoresPowerButton = true
    await supervisor.accept(commandFor({ desired: 'STOPPED', generation: 2, stopDeadlineMs: 3_600_000 }))
    await untilPhase(supervisor, STOPPING)
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 3 }))
    await until(() => seen(supervisor)?.settled === true, 'it is at rest')
    expect(seen(supervisor)).toMatchObject({ phase: RUNNING, generation: 3 })
    expect(host.guestPids()).toHaveLength(1)
  })

  it('is reset once, and keeps its process', async () => {
    const supervisor = await bringUp()
    const pids = host.guestPids()
    const reset = commandFor({ desired: 'RUNNING', generation: 2, startGeneration: 1, resetGeneration: 2 })
    await supervisor.accept(reset)
    await until(() => seen(supervisor)?.settled === true, 'it is at rest')
    expect([host.resets, host.guestPids()]).toEqual([1, pids])
    const later = commandFor({ desired: 'RUNNING', generation: 3, startGeneration: 1, resetGeneration: 2 })
    await supervisor.accept(later)
    await until(() => seen(supervisor)?.settled === true, 'it is at rest again')
    expect(host.resets).toBe(1)
  })

  it('shows its guest new metadata while it runs', async () => {
    const supervisor = await bringUp()
    const pids = host.guestPids()
    const metadata = [create(MetadataItemSchema, { key: 'motto', value: 'onwards' })]
    const changed = { ...spec, metadata, hostname: 'renamed' }
    await supervisor.accept(
      commandFor({ desired: 'RUNNING', generation: 2, startGeneration: 1, spec: changed }),
    )
    await until(() => seen(supervisor)?.settled === true, 'it is at rest')
    expect(JSON.stringify([...host.documents.values()])).toContain('renamed')
    expect(host.guestPids()).toEqual(pids)
  })

  it('that ended by itself is not started by a change of its metadata, and is by a start', async () => {
    const supervisor = await bringUp()
    host.killGuest()
    await untilPhase(supervisor, CRASHED)
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 2, startGeneration: 1 }))
    await until(() => seen(supervisor)?.settled === true, 'it is at rest')
    expect([seen(supervisor)?.phase, host.guestPids()]).toEqual([CRASHED, []])
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 3 }))
    await untilPhase(supervisor, RUNNING)
  })

  it('keeps its disk when a later start fails', async () => {
    const first = await bringUp()
    await first.accept(stopped)
    await untilPhase(first, STOPPED)
    await first.close()
    const { supervisor } = await startAgent({ call: 3, when: 'before', how: 'fail' })
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 3 }))
    await until(() => seen(supervisor)?.settled === true, 'it is at rest')
    expect(seen(supervisor)).toMatchObject({ phase: STOPPED, reason: 'HOST_ERROR', released: true })
    expect(host.files.paths().filter((path) => path.endsWith('disk0.qcow2'))).toHaveLength(1)
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 4 }))
    await untilPhase(supervisor, RUNNING)
  })

  it('is ended when it does not power off before its deadline', async () => {
    const supervisor = await bringUp()
    host.ignoresPowerButton = true
    await supervisor.accept(stopped)
    await untilPhase(supervisor, STOPPED)
    expect(seen(supervisor)?.reason).toBe('STOP_FORCED')
    expect(host.guestPids()).toEqual([])
  })

  it('is stopped, not crashed, when the guest powers itself off, and keeps its disk', async () => {
    const supervisor = await bringUp()
    host.powerOffGuest()
    await untilPhase(supervisor, STOPPED)
    await until(
      () => host.guestPids().length === 0 && host.taps.size === 0,
      'the rest of its running is gone',
    )
    expect(seen(supervisor)?.reason).toBe('GUEST_POWERED_OFF')
    await takeDown(supervisor)
  })

  it('is crashed when its process is killed', async () => {
    const supervisor = await bringUp()
    host.killGuest()
    await untilPhase(supervisor, CRASHED)
    await takeDown(supervisor)
  })

  it('that has come and gone is not made again by a create that comes late', async () => {
    const supervisor = await bringUp()
    await takeDown(supervisor)
    expect((await supervisor.accept(running)).outcome).toBe(CommandOutcome.STALE)
    expect(host.holdings()).toEqual(untouched)
    // A later epoch is another history, whose first create is not late.
    await supervisor.welcomed(2)
    expect((await supervisor.accept({ ...running, epoch: 2 })).outcome).toBe(CommandOutcome.ACCEPTED)
  })

  it('is taken down while it is being brought up', async () => {
    const { supervisor } = await startAgent()
    await supervisor.accept(running)
    await takeDown(supervisor)
  })
})

describe('a fresh agent', () => {
  it('adopts a guest that runs, with its process', async () => {
    const first = await bringUp()
    const pids = host.guestPids()
    await first.close()
    const { supervisor } = await startAgent()
    expect(seen(supervisor)?.phase).toBe(RUNNING)
    expect(host.guestPids()).toEqual(pids)
    await takeDown(supervisor)
  })

  it('sees that a guest has powered itself off meanwhile', async () => {
    await (await bringUp()).close()
    host.powerOffGuest()
    const { supervisor } = await startAgent()
    await untilPhase(supervisor, STOPPED)
    expect(seen(supervisor)?.reason).toBe('GUEST_POWERED_OFF')
  })

  it('sees that a guest has crashed meanwhile', async () => {
    await (await bringUp()).close()
    host.killGuest()
    const { supervisor } = await startAgent()
    await untilPhase(supervisor, CRASHED)
  })

  it('starts a guest again after a reboot of the host', async () => {
    await (await bringUp()).close()
    host.reboot()
    const { supervisor } = await startAgent()
    await until(() => host.guestPids().length === 1, 'the guest runs')
    await untilPhase(supervisor, RUNNING)
    await takeDown(supervisor)
  })

  it.each([1, 2, 3, 5, 8])(
    'tries that again where its call %i fails: nobody has asked, nobody waits',
    async (call) => {
      await (await bringUp()).close()
      host.reboot()
      const { supervisor } = await startAgent({ call, when: 'before', how: 'fail' })
      await until(() => host.guestPids().length === 1, 'the guest runs')
      await untilPhase(supervisor, RUNNING)
      await takeDown(supervisor)
    },
  )
})

const up = async (supervisor: Supervisor) => {
  await supervisor.accept(running)
  await untilPhase(supervisor, RUNNING)
}

describe('a step that fails', async () => {
  host = new FakeHost()
  const calls = await countCalls(up, 'fail')
  const faultsOf = (of: readonly number[]) =>
    of.flatMap((call) => (['before', 'after'] as const).map((when) => ({ call, when, how: 'fail' as const })))
  const ports = host.portCalls
  const others = Array.from({ length: calls }, (_, index) => index + 1).filter(
    (call) => !ports.includes(call),
  )

  it.each(faultsOf(ports))(
    'a port, $when it is there: its network is mended, and it is tried again',
    async (fault) => {
      const { supervisor } = await startAgent(fault)
      await up(supervisor)
      expect(host.networksBuilt).toBe(2)
      await takeDown(supervisor)
    },
  )

  it('a port again and again: everything is undone', async () => {
    host.refusesPorts = true
    const { supervisor } = await startAgent()
    await supervisor.accept(running)
    await until(() => seen(supervisor)?.released === true, 'it has failed and holds nothing')
    expect(seen(supervisor)?.message).toContain('this kernel takes no ports')
    expect(host.holdings()).toMatchObject({ ...untouched, files: expect.anything() })
    await takeDown(supervisor)
  })

  it.each(faultsOf(others))('call $call, $when its effect: everything is undone', async (fault) => {
    const { supervisor } = await startAgent(fault)
    await supervisor.accept(running)
    await until(() => seen(supervisor)?.released === true, 'it has failed and holds nothing')
    expect(seen(supervisor)?.phase).toBe(FAILED)
    expect(seen(supervisor)?.message).not.toBe('')
    expect(host.holdings()).toMatchObject({ ...untouched, files: expect.anything() })
    await takeDown(supervisor)
  })
})

describe('a call that fails while it is taken down', async () => {
  host = new FakeHost()
  const calls = await countCalls(async (supervisor) => {
    await up(supervisor)
    await supervisor.accept(absent)
    await untilPhase(supervisor, ABSENT)
  }, 'fail')
  const callsUp = await (async () => {
    host = new FakeHost()
    return countCalls(up, 'fail')
  })()
  const faults = Array.from({ length: calls - callsUp }, (_, index) => callsUp + index + 1)

  it.each(faults)('call %i: it is tried again until nothing is left', async (call) => {
    const { supervisor } = await startAgent({ call, when: 'before', how: 'fail' })
    await up(supervisor)
    await takeDown(supervisor)
  })
})

describe('an agent that is killed', async () => {
  host = new FakeHost()
  const callsUp = await countCalls(up, 'crash')
  const callsDown = await countCalls(async (supervisor) => {
    await supervisor.accept(absent)
    await untilPhase(supervisor, ABSENT)
  }, 'crash')
  const faultsUpTo = (calls: number) =>
    Array.from({ length: calls }, (_, index) => index + 1).flatMap((call) =>
      (['before', 'after'] as const).map((when) => ({ call, when, how: 'crash' as const })),
    )

  it.each(faultsUpTo(callsUp))(
    'while it brings up, call $call, $when its effect: it comes up all the same',
    async (fault) => {
      const first = await startAgent(fault)
      void first.supervisor.accept(running)
      await until(() => first.calls() >= fault.call, 'the first agent is at its end')
      await new Promise((resolve) => setImmediate(resolve))
      const { supervisor } = await startAgent()
      // What was never journalled was never acknowledged: it is delivered again.
      await supervisor.accept(running)
      await untilPhase(supervisor, RUNNING)
      expect(host.guestPids()).toHaveLength(1)
      await takeDown(supervisor)
    },
  )

  it.each(faultsUpTo(callsDown))(
    'while it takes down, call $call, $when its effect: it is gone all the same',
    async (fault) => {
      await (await bringUp()).close()
      const first = await startAgent(fault)
      await until(
        () => seen(first.supervisor) !== undefined || first.calls() >= fault.call,
        'the first agent is up',
      )
      void first.supervisor.accept(absent)
      await until(() => first.calls() >= fault.call, 'the first agent is at its end')
      await new Promise((resolve) => setImmediate(resolve))
      const { supervisor } = await startAgent()
      await takeDown(supervisor)
    },
  )
})
