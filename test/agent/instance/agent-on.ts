import { create } from '@bufbuild/protobuf'
import { Supervisor } from '../../../agent/instance/supervisor.ts'
import { HostRecordSchema } from '../../../proto/gen/berth/journal/v1/journal_pb.ts'
import { instanceUid } from './commands.ts'
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
