import { fromBinary } from '@bufbuild/protobuf'
import { InstanceSpecSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type HostId, hostId, instanceUid, type NetworkUid } from '../../../proto/ids.ts'
import type { Collection } from '../../model/resource.ts'
import type { MembershipChange, NetworkMembership } from '../membership-store.ts'
import type { ChangesAfter } from '../store.ts'
import type { InstanceRow } from '../tables.ts'
import { listDeletionsAfter, readAfter, type Window } from './changes.ts'
import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'

const findMembers = prepare((tx: Tx, { network }: { network: string }) =>
  tx
    .selectFrom('resource_uses')
    .innerJoin('instances', 'instances.uid', 'resource_uses.instance_uid')
    .select(['instances.uid', 'instances.host_id', 'instances.spec'])
    .where('resource_uses.resource_uid', '=', network)
    .where('instances.holds', '!=', 'nothing')
    .orderBy('instances.uid'),
)

export async function listNetworkMembers(tx: Tx, network: NetworkUid): Promise<readonly NetworkMembership[]> {
  const rows = await findMembers.all(tx, { network })
  return rows.flatMap((row) => membershipOf(row) ?? [])
}

const findHosts = prepare((tx: Tx, { network }: { network: string }) =>
  tx
    .selectFrom('resource_uses')
    .innerJoin('instances', 'instances.uid', 'resource_uses.instance_uid')
    .select('instances.host_id')
    .distinct()
    .where('resource_uses.resource_uid', '=', network)
    .where('instances.holds', '!=', 'nothing')
    .orderBy('instances.host_id'),
)

export async function listNetworkHosts(tx: Tx, network: NetworkUid): Promise<readonly HostId[]> {
  const rows = await findHosts.all(tx, { network })
  return rows.flatMap(({ host_id }) => (host_id === null ? [] : hostId(host_id)))
}

const findNetworks = prepare((tx: Tx, { host }: { host: string }) =>
  tx
    .selectFrom('instances')
    .innerJoin('resource_uses', 'resource_uses.instance_uid', 'instances.uid')
    .innerJoin('resources', 'resources.uid', 'resource_uses.resource_uid')
    .select('resources.uid')
    .distinct()
    .where('instances.host_id', '=', host)
    .where('instances.holds', '!=', 'nothing')
    .where('resources.collection', '=', 'networks' satisfies Collection)
    .orderBy('resources.uid'),
)

export async function listNetworksOnHost(tx: Tx, host: HostId): Promise<readonly NetworkUid[]> {
  const rows = await findNetworks.all(tx, { host })
  return rows.map(({ uid }) => uid as NetworkUid)
}

const findChanged = prepare((tx: Tx, { after, limit }: Window) =>
  tx
    .selectFrom('instances')
    .select(['change', 'uid', 'host_id', 'holds', 'spec'])
    .where('change', '>', after)
    .orderBy('change')
    .limit(limit),
)

export const readMembershipsAfter = (tx: Tx, window: Window): Promise<ChangesAfter<MembershipChange>> =>
  readAfter(tx, window, [
    async () => (await findChanged.all(tx, window)).map(changeOf),
    async () =>
      (await listDeletionsAfter(tx, window)).map(({ change, instance_uid, networks }) => ({
        ...{ kind: 'gone' as const, change, uid: instanceUid(instance_uid) },
        networks: JSON.parse(networks) as NetworkUid[],
      })),
  ])

type Placed = Pick<InstanceRow, 'uid' | 'host_id' | 'spec'>

function changeOf(row: Placed & Pick<InstanceRow, 'change' | 'holds'>): MembershipChange {
  const member = row.holds === 'nothing' ? undefined : membershipOf(row)
  if (member !== undefined) return { kind: 'member', change: row.change, member }
  const networks = nicsOf(row.spec).nics.map(({ network }) => network)
  return { kind: 'gone', change: row.change, uid: instanceUid(row.uid), networks }
}

/** undefined of one that waits for a host. */
function membershipOf({ uid, host_id, spec }: Placed): NetworkMembership | undefined {
  if (host_id === null) return undefined
  return { uid: instanceUid(uid), hostId: hostId(host_id), ...nicsOf(spec) }
}

function nicsOf(encoded: Uint8Array): Pick<NetworkMembership, 'hostname' | 'nics'> {
  const { hostname, nics } = fromBinary(InstanceSpecSchema, encoded)
  return {
    hostname,
    nics: nics.flatMap(({ network, ipv4Address, ipv6Address }) =>
      network === undefined
        ? []
        : {
            network: network.uid as NetworkUid,
            addresses: [ipv4Address, ipv6Address].filter((address) => address !== ''),
          },
    ),
  }
}
