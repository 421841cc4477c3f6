import { fromBinary } from '@bufbuild/protobuf'
import { type HostFacts, HostFactsSchema } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { StoredHost } from '../store/host-store.ts'
import type { OperationPorts } from './ports.ts'

/** A host for operators: what it has and what is taken, what its agent said, and whether it is there. */
export interface HostView extends Omit<StoredHost, 'facts' | 'revision'> {
  readonly connected: boolean
  readonly facts: HostFacts
}

export async function listHosts({
  store,
  fleet,
}: Pick<OperationPorts, 'store' | 'fleet'>): Promise<readonly HostView[]> {
  const { hosts } = await store.readHostsChangedAfter(0)
  const connected = new Set(
    fleet
      .snapshot()
      .filter((host) => host.connected)
      .map((host) => host.hostId),
  )
  return hosts
    .map(({ revision: _, ...host }) => ({
      ...host,
      connected: connected.has(host.hostId),
      facts: fromBinary(HostFactsSchema, host.facts),
    }))
    .sort((a, b) => (a.hostId < b.hostId ? -1 : 1))
}

/** Whether creates would work: the store answers. */
export async function checkReadiness({ store }: Pick<OperationPorts, 'store'>): Promise<boolean> {
  try {
    await store.readHostsChangedAfter(Number.MAX_SAFE_INTEGER)
    return true
  } catch {
    return false
  }
}
