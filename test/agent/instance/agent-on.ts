import { create } from '@bufbuild/protobuf'
import { Supervisor } from '../../../agent/instance/supervisor.ts'
import { InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { HostRecordSchema } from '../../../proto/gen/berth/journal/v1/journal_pb.ts'
import { commandFor, instanceUid } from './commands.ts'
import { until } from './eager-clock.ts'
import type { FakeHost, Fault } from './fake-host.ts'

/** An agent's half that owns instances, on a host that was there before it; with its fault, and how many calls it has made. */
export async function startAgentOn(host: FakeHost, fault?: Fault) {
  const { ports, calls } = host.portsFor(fault)
  const supervisor = new Supervisor({ ports, host: create(HostRecordSchema, { recordVersion: 1, epoch: 1 }) })
  const recovered = supervisor.recover()
  // An agent that dies while it recovers never ends that.
  if (fault?.how !== 'crash') await recovered
  return { supervisor, calls }
}

/** What it says of the one instance. */
export const seen = (supervisor: Supervisor) =>
  supervisor
    .observations()
    .filter((one) => one.$typeName === 'berth.agent.v1.InstanceObservation')
    .find(({ uid }) => uid === instanceUid)

export const untilPhase = (supervisor: Supervisor, phase: InstancePhase) =>
  until(() => seen(supervisor)?.phase === phase, `phase ${phase}`)

/** An agent whose one guest runs. */
export async function bringUpOn(host: FakeHost): Promise<Supervisor> {
  const { supervisor } = await startAgentOn(host)
  await supervisor.accept(commandFor({ desired: 'RUNNING', generation: 1 }))
  await untilPhase(supervisor, InstancePhase.RUNNING)
  return supervisor
}
