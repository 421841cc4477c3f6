import { create } from '@bufbuild/protobuf'
import { afterEach, describe, expect, it } from 'vitest'
import { type SessionClient, startSession } from '../../../agent/stream/client.ts'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { systemRandom } from '../../../lib/random.ts'
import { HostFactsSchema } from '../../../proto/gen/berth/agent/v1/host_pb.ts'
import {
  EnsureInstanceSchema,
  InstanceObservationSchema,
  InstancePhase,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  CommandOutcome,
  CommandSchema,
  QuerySchema,
  ReportAckSchema,
} from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { eventually } from '../../scheduler/stream/eventually.ts'
import { createFakeSide, type FakeSide } from './fake-side.ts'
import { startScriptedScheduler } from './scripted-scheduler.ts'

const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

const clientOf = ({ side }: FakeSide, address: string): SessionClient =>
  startSession({
    ...{ address, side, token: 'secret', clock: systemClock, random: systemRandom, log: silentLogger },
    ...{ minBackoffMs: 5, maxBackoffMs: 20 },
  })

async function start(fake: FakeSide, welcome: Parameters<typeof startScriptedScheduler>[0] = {}) {
  const scheduler = await startScriptedScheduler(welcome)
  const client = clientOf(fake, scheduler.address)
  open.push(scheduler, client)
  return { scheduler, client }
}

const commandOf = (sequence: number, epoch: number) =>
  create(CommandSchema, {
    ...{ sequence: BigInt(sequence), commandId: `c${sequence}`, epoch, uid: `u${sequence}`, generation: 1 },
    body: { case: 'ensureInstance', value: create(EnsureInstanceSchema, { desiredState: 1 }) },
  })

const observe = (uid: string, phase: InstancePhase) => create(InstanceObservationSchema, { uid, phase })

describe('a session', () => {
  it('lists everything that the host knows, then its end, then what changes', async () => {
    const fake = createFakeSide('host-1')
    fake.observe(observe('a', InstancePhase.RUNNING))
    fake.observe(observe('b', InstancePhase.ABSENT))
    const { scheduler } = await start(fake)
    await eventually('the inventory is complete', () => scheduler.of('report').length === 3)
    fake.observe(observe('c', InstancePhase.STAGING))
    await eventually('the change is reported', () => scheduler.of('report').length === 4)
    expect(scheduler.of('report').map(({ value }) => value.body.case)).toEqual([
      ...['instance', 'instance', 'inventoryComplete', 'instance'],
    ])
    expect(scheduler.heard[0]).toMatchObject({ case: 'hello', value: { hostId: 'host-1', epoch: 0 } })
    scheduler.send({ case: 'reportAck', value: create(ReportAckSchema, { sequence: 2n }) })
    await eventually('two are durable', () => fake.durable.length === 2)
    expect([...fake.known.keys()]).toEqual(['a', 'c'])
  })

  it('tells of a host that is not as it was any more, and of the newest where several wait', async () => {
    const fake = createFakeSide('host-1')
    const { scheduler } = await start(fake)
    await eventually('the inventory is complete', () => scheduler.of('report').length === 1)
    const hostReports = () =>
      scheduler
        .of('report')
        .flatMap(({ value }) => (value.body.case === 'host' ? [value.body.value.hostname] : []))
    for (const hostname of ['first', 'second', 'third'])
      fake.changeFacts(create(HostFactsSchema, { hostname }))
    await eventually('it is told', () => hostReports().length === 1)
    scheduler.send({ case: 'reportAck', value: create(ReportAckSchema, { sequence: 2n }) })
    await eventually('the newest is told', () => hostReports().length === 2)
    expect(hostReports()).toEqual(['first', 'third'])
    expect(fake.durable).toEqual([])
  })

  it('acknowledges commands in order, after the journal has them', async () => {
    const fake = createFakeSide('host-1')
    const { scheduler } = await start(fake)
    for (const sequence of [1, 2, 3]) {
      await eventually('it is welcome', () => fake.welcomes.length === 1)
      scheduler.send({ case: 'command', value: commandOf(sequence, 2) })
    }
    await eventually('all are acknowledged', () => scheduler.of('commandAck').length === 3)
    expect(scheduler.of('commandAck').map(({ value }) => [value.sequence, value.outcome])).toEqual([
      [1n, CommandOutcome.ACCEPTED],
      [2n, CommandOutcome.ACCEPTED],
      [3n, CommandOutcome.ACCEPTED],
    ])
  })

  it('takes no command of an epoch that is over, and none that it does not know', async () => {
    const fake = createFakeSide('host-1')
    const { scheduler } = await start(fake)
    await eventually('it is welcome', () => fake.welcomes.length === 1)
    scheduler.send({ case: 'command', value: commandOf(1, 1) })
    const unknown = { ...commandOf(2, 2), body: { case: undefined } } as const
    scheduler.send({ case: 'command', value: create(CommandSchema, unknown) })
    scheduler.send({ case: 'query', value: create(QuerySchema, { queryId: 'q' }) })
    await eventually(
      'all is answered',
      () => scheduler.of('commandAck').length + scheduler.of('answer').length === 3,
    )
    const outcomes = scheduler.of('commandAck').map(({ value }) => value.outcome)
    expect(outcomes).toEqual([CommandOutcome.STALE, CommandOutcome.UNSUPPORTED])
    expect(scheduler.of('answer')[0]?.value.body).toMatchObject({
      case: 'error',
      value: { reason: 'UNSUPPORTED' },
    })
    expect(fake.accepted).toEqual([])
  })

  it('acknowledges nothing that the journal could not take, and begins again', async () => {
    const fake = createFakeSide('host-1')
    const { scheduler } = await start(fake)
    await eventually('it is welcome', () => fake.welcomes.length === 1)
    // The fake refuses a gap, as a journal with a full disk would refuse anything.
    scheduler.send({ case: 'command', value: commandOf(7, 2) })
    await eventually('there is another session', () => scheduler.sessions() > 1)
    expect(scheduler.of('commandAck')).toEqual([])
    expect(fake.listeners.size).toBeLessThanOrEqual(1)
  })

  it('refuses a scheduler of a lower epoch', async () => {
    const fake = createFakeSide('host-1')
    await fake.side.welcomed(5, '')
    const { scheduler, client } = await start(fake)
    await eventually('it tries again', () => scheduler.sessions() > 1)
    expect(client.state().kind).not.toBe('ready')
    expect(scheduler.of('report')).toEqual([])
  })

  it('with a scheduler that has fallen silent is given up', async () => {
    const fake = createFakeSide('host-1')
    const { scheduler } = await start(fake, { silenceAfterMs: 100 })
    await eventually('there is another session', () => scheduler.sessions() > 1)
    await eventually('it has sent heartbeats', () => scheduler.of('heartbeat').length > 0)
  })

  it('ends at once when the agent does, connected or not', async () => {
    const fake = createFakeSide('host-1')
    const { client } = await start(fake)
    await client.close()
    expect(client.state()).toEqual({ kind: 'closed' })
    const alone = clientOf(fake, '127.0.0.1:1')
    await eventually('it waits', () => alone.state().kind === 'waiting')
    await alone.close()
    expect(alone.state()).toEqual({ kind: 'closed' })
    expect(fake.listeners.size).toBe(0)
  })

  it('shows its token to nobody off loopback without TLS', () => {
    expect(() => clientOf(createFakeSide('host-1'), '192.0.2.1:8081')).toThrow(/set scheduler.tls/)
  })
})
