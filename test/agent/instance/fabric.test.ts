// A guest whose GPU is joined to others by NVSwitches, through the real supervisor, actor and journal over a strict host: it
// starts only where its partition is active, and its GPU is reset only where that is not.
import { beforeEach, describe, expect, it } from 'vitest'
import { FakeFabric } from '../../../agent/host/fake/fake-fabric.ts'
import type { Supervisor } from '../../../agent/instance/supervisor.ts'
import { DeviceState } from '../../../proto/gen/berth/agent/v1/device_pb.ts'
import { InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Command } from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { bringUpOn, seen, startAgentOn, untilPhase } from './agent-on.ts'
import { commandFor, spec } from './commands.ts'
import { until } from './eager-clock.ts'
import { FakeHost } from './fake-host.ts'

const gpu = '0000:3b:00.0'
const running = commandFor({ desired: 'RUNNING', generation: 1 })
const absent = commandFor({ desired: 'ABSENT', generation: 3 })
const { RUNNING, FAILED, ABSENT } = InstancePhase

let host: FakeHost
let untouched: object

function setUp() {
  host = new FakeHost()
  host.switches = new FakeFabric({
    partitions: [
      { id: 0, moduleIds: [1, 2] },
      { id: 4, moduleIds: [1] },
      { id: 5, moduleIds: [2] },
    ],
    addresses: new Map([
      [1, '0000:5d:00.0'],
      [2, gpu],
    ]),
    isResilient: true,
  })
  // What both modules are, its driver says as long as it has both.
  host.drivers.set('0000:5d:00.0', 'nvidia')
  untouched = host.holdings()
}

beforeEach(setUp)

const switches = () => {
  if (!host.switches) throw new Error('The host has none.')
  return host.switches
}

const bringUp = () => bringUpOn(host)

async function takeDown(supervisor: Supervisor) {
  await supervisor.accept(absent)
  await untilPhase(supervisor, ABSENT)
  expect({ ...host.holdings(), files: [] }).toEqual({ ...untouched, files: [] })
}

const deviceSeen = (supervisor: Supervisor) =>
  supervisor
    .observations()
    .filter((one) => one.$typeName === 'berth.agent.v1.DeviceObservation')
    .find(({ address }) => address === gpu)

describe('an instance', () => {
  it('has its partition from before its start until after its end', async () => {
    const supervisor = await bringUp()
    expect(switches().active()).toEqual([5])
    await takeDown(supervisor)
    expect(switches().routed()).toEqual([])
  })

  it('of GPUs that are no partition is refused before anything is taken from its driver', async () => {
    const { supervisor } = await startAgentOn(host)
    const gpus = [...spec.gpus, { ...spec.gpus[0], type: 'nvidia-h100-80gb', address: '0000:9d:00.0' }]
    const wanted = { ...spec, gpus } as typeof spec
    await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 1, spec: wanted }))
    await until(() => seen(supervisor)?.released === true, 'it has failed and holds nothing')
    expect(seen(supervisor)).toMatchObject({
      ...{ phase: FAILED, reason: 'NO_PARTITION' },
      message: `GPUs ${gpu}, 0000:9d:00.0 are no partition of this host's NVSwitches, and CUDA would not start on them. Of 2 there is 0 (${gpu}, 0000:5d:00.0). Create it again; if it fails again, ask the operator.`,
    })
    expect(deviceSeen(supervisor)).toMatchObject({
      state: DeviceState.FREE,
      enteredAtUnixMs: expect.anything(),
    })
    await takeDown(supervisor)
  })

  it('is started again after a reboot of the host, in its partition', async () => {
    await (await bringUp()).close()
    host.reboot()
    host.drivers.set('0000:5d:00.0', 'nvidia')
    const { supervisor } = await startAgentOn(host)
    await until(() => host.guestPids().length === 1, 'the guest runs')
    await untilPhase(supervisor, RUNNING)
    expect(switches().routed()).toEqual([5])
    await takeDown(supervisor)
  })

  it('keeps its partition where Fabric Manager is restarted under it, agent or no agent', async () => {
    await (await bringUp()).close()
    switches().stop()
    switches().start()
    const { supervisor } = await startAgentOn(host)
    expect([switches().active(), switches().routed()]).toEqual([[5], [5]])
    await takeDown(supervisor)
  })
})

describe('a Fabric Manager that does not run', () => {
  it('has every free GPU kept from guests, with the reason, and starts none', async () => {
    await (await startAgentOn(host)).supervisor.close()
    switches().stop()
    const { supervisor } = await startAgentOn(host)
    expect(deviceSeen(supervisor)).toMatchObject({
      ...{ state: DeviceState.QUARANTINED, reason: 'FABRIC_UNHEALTHY', instanceUid: '' },
      message: expect.stringContaining('start nvidia-fabricmanager'),
    })
    await supervisor.accept(running)
    await until(() => seen(supervisor)?.released === true, 'it has failed and holds nothing')
    expect(seen(supervisor)).toMatchObject({ phase: FAILED, reason: 'FABRIC_UNREACHABLE' })
    switches().start()
    await supervisor.close()
    const next = (await startAgentOn(host)).supervisor
    expect(deviceSeen(next)).toMatchObject({ state: DeviceState.FREE, reason: '' })
  })

  it('leaves the GPU of a guest that has ended with nobody until the partition is given up', async () => {
    const supervisor = await bringUp()
    expect(deviceSeen(supervisor)).toMatchObject({ state: DeviceState.IN_USE })
    switches().stop()
    host.killGuest()
    await until(() => seen(supervisor)?.message.includes('partition gpus') === true, 'it can not be given up')
    expect(seen(supervisor)).toMatchObject({ released: false })
    expect(deviceSeen(supervisor)).toMatchObject({ state: DeviceState.IN_USE })
    switches().start()
    await until(() => seen(supervisor)?.released === true, 'it is given up')
    await until(() => deviceSeen(supervisor)?.state === DeviceState.FREE, 'the GPU is free')
    await takeDown(supervisor)
  })
})

describe('an agent that is killed around a call', () => {
  /** On a host of its own for each call that an agent makes until the command is carried out, before and after its effect. */
  async function atEachCall(work: {
    before: () => Promise<void>
    command: Command
    phase: InstancePhase
    after: (supervisor: Supervisor) => Promise<void>
  }): Promise<void> {
    await work.before()
    const counted = await startAgentOn(host, {
      ...{ call: Number.POSITIVE_INFINITY, when: 'before', how: 'crash' },
    })
    await until(() => counted.supervisor.observations().length > 0, 'the counted agent is up')
    await counted.supervisor.accept(work.command)
    await untilPhase(counted.supervisor, work.phase)
    const calls = counted.calls()
    expect(calls).toBeGreaterThan(20)
    for (let call = 1; call <= calls; call += 1) {
      for (const when of ['before', 'after'] as const) {
        setUp()
        await work.before()
        const first = await startAgentOn(host, { call, when, how: 'crash' })
        const isOver = () => first.calls() >= call
        await until(() => first.supervisor.observations().length > 0 || isOver(), 'the first agent is up')
        void first.supervisor.accept(work.command)
        await until(isOver, 'the first agent is at its end')
        await new Promise((resolve) => setImmediate(resolve))
        await work.after((await startAgentOn(host)).supervisor)
      }
    }
  }

  it('while it brings up: the guest comes up in its partition all the same', () =>
    atEachCall({
      before: async () => {},
      ...{ command: running, phase: RUNNING },
      after: async (supervisor) => {
        await supervisor.accept(running)
        await untilPhase(supervisor, RUNNING)
        expect([switches().active(), switches().isInitialized([gpu])]).toEqual([[5], true])
        await takeDown(supervisor)
      },
    }))

  it('while it takes down: the partition is given up all the same', () =>
    atEachCall({
      before: async () => (await bringUp()).close(),
      ...{ command: absent, phase: ABSENT },
      after: takeDown,
    }))
})
