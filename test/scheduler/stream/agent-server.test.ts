import { connect } from 'node:net'
import { create } from '@bufbuild/protobuf'
import { afterEach, describe, expect, it } from 'vitest'
import { type SessionClient, startSession } from '../../../agent/stream/client.ts'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { systemRandom } from '../../../lib/random.ts'
import { CommandOutcome, GuestAttributesSchema } from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { hostId, resourceUid } from '../../../proto/ids.ts'
import { startAgentServer } from '../../../scheduler/stream/agent-server.ts'
import { createFakeSide, type FakeSide } from '../../agent/stream/fake-side.ts'
import { eventually } from './eventually.ts'
import { type StreamRegion, startStreamRegion, token } from './region.ts'
import { startTcpProxy } from './tcp-proxy.ts'

const open: { close(): Promise<void> }[] = []

afterEach(async () => {
  for (const one of open.splice(0).reverse()) await one.close()
})

async function startRegion(options: Parameters<typeof startStreamRegion>[0] = {}): Promise<StreamRegion> {
  const region = await startStreamRegion(options)
  open.push(region)
  return region
}

function connectAgent(
  { side }: Pick<FakeSide, 'side'>,
  address: string,
  options: { token?: string } = {},
): SessionClient {
  const client = startSession({
    ...{ address, side, clock: systemClock, random: systemRandom, log: silentLogger },
    token: options.token ?? token,
    minBackoffMs: 20,
    maxBackoffMs: 200,
  })
  open.push(client)
  return client
}

const isReady = (client: SessionClient) => () => client.state().kind === 'ready'

async function connectHost(region: StreamRegion, fake: FakeSide): Promise<SessionClient> {
  const client = connectAgent(fake, region.agents.address)
  await eventually('the agent is ready', isReady(client))
  return client
}

const statusOf = (region: StreamRegion, instance: Parameters<StreamRegion['find']>[0]) => async () =>
  (await region.find(instance))?.status

async function becomes(region: StreamRegion, instance: Parameters<StreamRegion['find']>[0], status?: string) {
  await eventually(`it is ${status}`, async () => (await statusOf(region, instance)()) === status)
}

describe('a host that connects', () => {
  it('is registered with what the catalogue makes of its facts', async () => {
    const region = await startRegion()
    await connectHost(region, createFakeSide('host-1'))
    const [host, ...others] = region.agents.fleet.snapshot()
    expect(others).toEqual([])
    expect(host).toMatchObject({
      ...{ hostId: 'host-1', zone: 'us1-a', connected: true, architecture: 'x86_64' },
      // The zone hands out four vCPUs for each CPU.
      vcpus: { capacity: 64, used: 0 },
    })
    expect(
      host?.devices.map(({ address, acceleratorType, switchId }) => [address, acceleratorType, switchId]),
    ).toEqual([
      ['0000:02:00.0', undefined, undefined],
      ['0000:3b:00.0', 'nvidia-h100-80gb', '0000:38:00.0'],
    ])
    expect(region.agents.sessions()).toMatchObject([{ hostId: 'host-1', isSilent: false }])
  })

  it('is not welcome with another token', async () => {
    const region = await startRegion()
    const client = connectAgent(createFakeSide('host-1'), region.agents.address, { token: 'another-token' })
    await eventually('it waits', () => client.state().kind === 'waiting')
    expect(client.state()).toMatchObject({ why: expect.stringContaining('UNAUTHENTICATED') })
    expect(region.agents.sessions()).toEqual([])
  })

  it('is not welcome from a zone that does not exist', async () => {
    const region = await startRegion()
    const client = connectAgent(createFakeSide('host-1', { zone: 'mars-1' }), region.agents.address)
    await eventually('it waits', () => client.state().kind === 'waiting')
    expect(client.state()).toMatchObject({ why: expect.stringContaining('There is no zone mars-1') })
    expect(region.agents.fleet.snapshot()).toEqual([])
  })

  it('is welcome as soon as somebody has made its zone', async () => {
    const region = await startRegion()
    const client = connectAgent(createFakeSide('host-1', { zone: 'mars-1' }), region.agents.address)
    await eventually('it waits', () => client.state().kind === 'waiting')
    const uid = resourceUid(systemRandom.uuid())
    await region.store.createResources([
      { uid, collection: 'zones', scope: '', id: 'mars-1', body: { cpuOvercommit: 2 }, nowMs: 1 },
    ])
    await eventually('the agent is ready', isReady(client))
    expect(region.agents.fleet.snapshot()).toMatchObject([
      { hostId: 'host-1', zone: 'mars-1', vcpus: { capacity: 32 } },
    ])
  })

  it('can not speak for another host', async () => {
    const region = await startRegion()
    const liar = createFakeSide('host-1')
    const names = ['host-1', 'host-2']
    // The metadata is made after Hello was: the two differ.
    Object.defineProperty(liar.side, 'hostId', { get: () => names.shift() ?? 'host-2' })
    const client = connectAgent(liar, region.agents.address)
    await eventually('it waits', () => client.state().kind === 'waiting')
    expect(client.state()).toMatchObject({ why: expect.stringContaining('belongs to host') })
  })
})

describe('the listener', () => {
  it('refuses to start off loopback without TLS', async () => {
    await expect(startRegion({ host: '0.0.0.0' })).rejects.toThrow(/give a TLS certificate and key/)
  })

  it('refuses to start without a token', async () => {
    await expect(startRegion({ token: '' })).rejects.toThrow(/set the token/)
  })

  it('says which address can not be had', async () => {
    const region = await startRegion()
    const { port } = region.agents
    const again = startAgentServer({
      ...{ host: '127.0.0.1', port, token, store: region.store, log: silentLogger },
      ...{ identityIssuer: '', clock: systemClock, random: systemRandom },
    })
    await expect(again).rejects.toThrow(`Agents can't connect at 127.0.0.1:${port}`)
  })
})

describe('commands', () => {
  it('arrive in order, and what the host reports is in the store', async () => {
    const region = await startRegion({ windowSize: 3 })
    const fake = createFakeSide('host-1')
    await connectHost(region, fake)
    const instances = []
    for (let index = 0; index < 10; index += 1) instances.push(await region.createInstance('host-1'))
    for (const instance of instances) await becomes(region, instance, 'RUNNING')
    expect(fake.accepted.map(({ sequence }) => sequence)).toEqual(
      instances.map((_, index) => BigInt(index + 1)),
    )
    expect(fake.accepted.map(({ uid }) => uid)).toEqual(instances.map(({ uid }) => uid))
    const [first] = instances
    if (first === undefined) throw new Error('unreachable')
    await region.deleteInstance(first)
    await becomes(region, first, undefined)
    await eventually('the tombstone is let go', () => !fake.known.has(first.uid))
    const outbox = { hostId: hostId('host-1'), fromSequence: 0, limit: 1 }
    await eventually('nothing waits', async () => (await region.store.readOutbox(outbox)).length === 0)
  })

  it('are found without a nudge', async () => {
    const region = await startRegion({ pollIntervalMs: 20 })
    await connectHost(region, createFakeSide('host-1'))
    const instance = await region.createInstance('host-1', { nudge: false })
    await becomes(region, instance, 'RUNNING')
  })

  it('that a host never takes as supported end in FAILED, with everything free', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    await connectHost(region, fake)
    fake.answers.outcome = CommandOutcome.UNSUPPORTED
    const instance = await region.createInstance('host-1')
    await becomes(region, instance, 'FAILED')
    expect(await region.find(instance)).toMatchObject({ reason: 'COMMAND_UNSUPPORTED', holds: 'nothing' })
    expect(region.agents.fleet.snapshot()[0]?.vcpus.used).toBe(0)
  })

  it('go on where they stopped when the scheduler has restarted', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    await connectHost(region, fake)
    await becomes(region, await region.createInstance('host-1'), 'RUNNING')
    await region.restart()
    const second = await region.createInstance('host-1', { nudge: false })
    await becomes(region, second, 'RUNNING')
    // The first comes again if its acknowledgement was not on disk yet.
    expect([...new Set(fake.accepted.map(({ sequence }) => sequence))]).toEqual([1n, 2n])
    expect(fake.welcomes).toEqual([1, 1])
  })

  it('survive a connection that is cut again and again', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    const proxy = await startTcpProxy(region.agents.port)
    open.push(proxy)
    const client = connectAgent(fake, proxy.address)
    await eventually('the agent is ready', isReady(client))
    const instances = []
    for (let index = 0; index < 12; index += 1) {
      instances.push(await region.createInstance('host-1'))
      if (index % 3 === 0) proxy.cut()
    }
    for (const instance of instances) await becomes(region, instance, 'RUNNING')
    // At least once, in order: leaving out what came again, each came after the one before it.
    const firstSeen = [...new Set(fake.accepted.map(({ uid }) => uid))]
    expect(firstSeen).toEqual(instances.map(({ uid }) => uid))
    expect(fake.welcomes.length).toBeGreaterThan(1)
  })

  it('are sent again for an instance that never began and that the host does not report', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    fake.answers.carriesOut = false
    const client = await connectHost(region, fake)
    const instance = await region.createInstance('host-1')
    const outbox = { hostId: hostId('host-1'), fromSequence: 0, limit: 1 }
    await eventually('it is acknowledged', async () => (await region.store.readOutbox(outbox)).length === 0)
    await client.close()
    fake.answers.carriesOut = true
    await connectHost(region, fake)
    await becomes(region, instance, 'RUNNING')
    expect(fake.accepted[1]).toMatchObject({ uid: instance.uid, sequence: 0n, generation: 1 })
    // The conversation goes on after a command outside of the outbox.
    await becomes(region, await region.createInstance('host-1'), 'RUNNING')
  })

  it('never make a guest anew that has run and is not reported: it stays as it was, and people are told', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    const client = await connectHost(region, fake)
    const instance = await region.createInstance('host-1')
    await becomes(region, instance, 'RUNNING')
    await client.close()
    fake.known.clear()
    await connectHost(region, fake)
    await eventually(
      'people are told',
      async () => (await region.find(instance))?.reason === 'UNKNOWN_TO_HOST',
    )
    expect(await region.find(instance)).toMatchObject({ status: 'RUNNING', holds: 'everything' })
    expect(fake.accepted).toHaveLength(1)
    await region.deleteInstance(instance)
    await becomes(region, instance, undefined)
  })
})

describe('two sessions of one host', () => {
  it('leave the newer one', async () => {
    const region = await startRegion()
    const first = await connectHost(region, createFakeSide('host-1'))
    const [before] = region.agents.sessions()
    const second = connectAgent(createFakeSide('host-1'), region.agents.address)
    await eventually(
      'there is another session',
      () => region.agents.sessions()[0]?.sessionId !== before?.sessionId,
    )
    await first.close()
    await eventually('the second one has it', isReady(second))
    expect(region.agents.sessions()).toHaveLength(1)
    await becomes(region, await region.createInstance('host-1'), 'RUNNING')
  })
})

describe('a silent host', () => {
  it('is not connected for placement, and keeps its instances as they are', async () => {
    const region = await startRegion({ heartbeatIntervalMs: 60_000, silenceAfterMs: 300 })
    const fake = createFakeSide('host-1')
    const proxy = await startTcpProxy(region.agents.port)
    open.push(proxy)
    const client = connectAgent(fake, proxy.address)
    await eventually('the agent is ready', isReady(client))
    const instance = await region.createInstance('host-1')
    await becomes(region, instance, 'RUNNING')
    proxy.freeze()
    await eventually('it counts as silent', () => region.agents.sessions()[0]?.isSilent === true)
    expect(region.agents.fleet.snapshot()[0]).toMatchObject({ connected: false, vcpus: { used: 1 } })
    expect(await statusOf(region, instance)()).toBe('RUNNING')
  })
})

describe('serial output', () => {
  const query = (region: StreamRegion, limitBytes: number) =>
    region.agents.queries.readSerial({
      ...{ hostId: hostId('host-1'), port: 1, start: 5n, limitBytes },
      instanceUid: '0192f0c1-2222-7000-8000-000000000001' as never,
    })

  it('comes whole, a megabyte of it', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    await connectHost(region, fake)
    const bytes = systemRandom.bytes(1024 * 1024)
    fake.answers.serial = { kind: 'range', start: 5n, next: 5n + BigInt(bytes.length), bytes }
    const reading = await query(region, bytes.length)
    if (reading.kind !== 'range') throw new Error(reading.message)
    expect(reading.next).toBe(5n + 1_048_576n)
    expect(Buffer.compare(reading.bytes, bytes)).toBe(0)
    expect(fake.asked).toMatchObject([{ start: 5n, limitBytes: 1_048_576 }])
  })

  it('of nothing new is an empty range', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    await connectHost(region, fake)
    fake.answers.serial = { kind: 'range', start: 5n, next: 5n, bytes: new Uint8Array() }
    expect(await query(region, 10)).toMatchObject({ kind: 'range', start: 5n, next: 5n })
  })

  it('that is more than was asked for is refused', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    await connectHost(region, fake)
    fake.answers.serial = { kind: 'range', start: 5n, next: 105n, bytes: new Uint8Array(100) }
    expect(await query(region, 10)).toMatchObject({ kind: 'unavailable', reason: 'FAILED' })
  })

  it('is unavailable with the reason of the host, or because there is none', async () => {
    const region = await startRegion()
    expect(await query(region, 10)).toMatchObject({ kind: 'unavailable', reason: 'NOT_CONNECTED' })
    await connectHost(region, createFakeSide('host-1'))
    expect(await query(region, 10)).toMatchObject({ kind: 'unavailable', reason: 'NO_SUCH_INSTANCE' })
  })

  it('that never comes is given up', async () => {
    const region = await startRegion({ queryTimeoutMs: 50 })
    const fake = createFakeSide('host-1')
    await connectHost(region, fake)
    fake.side.readSerial = () => new Promise(() => {})
    expect(await query(region, 10)).toMatchObject({ kind: 'unavailable', reason: 'TIMEOUT' })
  })
})

describe('guest attributes', () => {
  const read = (region: StreamRegion) =>
    region.agents.queries.readGuestAttributes({
      hostId: hostId('host-1'),
      instanceUid: '0192f0c1-2222-7000-8000-000000000001' as never,
    })
  const outcomeOf = (attributes: { namespace: string; key: string; value: string }[]) => ({
    ...{ kind: 'attributes' as const, attributes: create(GuestAttributesSchema, { attributes }) },
  })

  it('come whole, as many as there may be, and none as none', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    await connectHost(region, fake)
    expect(await read(region)).toMatchObject({ kind: 'unavailable', reason: 'NO_SUCH_INSTANCE' })
    fake.answers.attributes = outcomeOf([])
    expect(await read(region)).toEqual({ kind: 'attributes', attributes: [] })
    const many = Array.from({ length: 8 }, (_, index) => ({
      ...{ namespace: 'app', key: `part-${index}`, value: '☃'.repeat(10_000) },
    }))
    fake.answers.attributes = outcomeOf(many)
    expect(await read(region)).toMatchObject({ kind: 'attributes', attributes: many })
  })

  it('that are more than can have been put are refused', async () => {
    const region = await startRegion()
    const fake = createFakeSide('host-1')
    await connectHost(region, fake)
    fake.answers.attributes = outcomeOf([{ namespace: 'app', key: 'all', value: 'a'.repeat(600_000) }])
    expect(await read(region)).toMatchObject({ kind: 'unavailable', reason: 'FAILED' })
  })
})

describe('many hosts', () => {
  it('are all served: 200 sessions, an instance on each', async () => {
    const region = await startRegion()
    const fakes = Array.from({ length: 200 }, (_, index) => createFakeSide(`host-${index}`))
    const clients = fakes.map((fake) => connectAgent(fake, region.agents.address))
    await eventually('all are ready', () => clients.every((client) => client.state().kind === 'ready'))
    const instances = await Promise.all(fakes.map(({ side }) => region.createInstance(side.hostId)))
    for (const instance of instances) await becomes(region, instance, 'RUNNING')
    const snapshot = region.agents.fleet.snapshot()
    expect(snapshot.filter((host) => host.connected && host.vcpus.used === 1)).toHaveLength(200)
    await Promise.all(clients.map((client) => client.close()))
    await eventually('all are gone', () => region.agents.sessions().length === 0)
  })
})

describe('strangers', () => {
  it('that speak no gRPC disturb nobody', async () => {
    const region = await startRegion()
    const socket = connect(region.agents.port, '127.0.0.1')
    socket.on('error', () => {})
    socket.write('GET / HTTP/1.1\r\n\r\n')
    await connectHost(region, createFakeSide('host-1'))
    socket.destroy()
    expect(region.agents.isConnected(hostId('host-1'))).toBe(true)
  })
})
