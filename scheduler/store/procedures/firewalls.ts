// The policy of a network, its firewall above all, as its hosts are told of it: with every spec that leaves for a host, and by a command of its
// own when it changes while members are there.
import { clone, create } from '@bufbuild/protobuf'
import { type InstanceSpec, InstanceSpecSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  EnsureNetworkSchema,
  type Firewall,
  FirewallProtocol,
  FirewallRuleSchema,
  FirewallSchema,
} from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import { type FirewallRule, needsOf, type PolicyNeed } from '../../model/firewall.ts'
import type { StoredResource } from '../../model/resource.ts'
import { queueCommand } from './outbox.ts'
import { prepare } from './prepared.ts'
import { Refused } from './refused.ts'
import { findResource, resourceFromRow } from './resource-rows.ts'
import type { Tx } from './rows.ts'

/** A changed or removed part of a network reaches every host that it matters to. @throws Refused */
export async function firewallChanged(
  tx: Tx,
  { before, after, requestId }: { before?: StoredResource; after?: StoredResource; requestId: string },
): Promise<void> {
  const part = after ?? before
  if (part?.collection === 'networks' && after !== undefined) {
    const namesOf = (network?: StoredResource) => policyNeeds(network).map(({ feature }) => feature)
    if (namesOf(before).join() !== namesOf(after).join()) await publish(tx, after, requestId)
  }
  if (part?.collection === 'firewall-rules' && part.parentUid !== undefined) {
    const network = await findResource(tx, part.parentUid)
    if (denies(network)) await publish(tx, network, requestId)
  }
}

const generationsOf = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.selectFrom('firewalls').selectAll().where('network_uid', '=', uid),
)

/** The spec with the rules of its networks as they are now. */
export async function withFirewalls(tx: Tx, spec: InstanceSpec): Promise<InstanceSpec> {
  const uids = spec.nics.flatMap(({ network }) => network?.uid ?? [])
  if (uids.length === 0) return spec
  const rows = (await Promise.all([...new Set(uids)].map((uid) => generationsOf.all(tx, { uid })))).flat()
  if (rows.length === 0) return spec
  const told = clone(InstanceSpecSchema, spec)
  for (const { network_uid: uid, generation } of rows) {
    const firewall = await readFirewall(tx, uid, generation)
    for (const { network } of told.nics) if (network?.uid === uid) network.firewall = firewall
  }
  return told
}

const policyNeeds = (network?: StoredResource) => needsOf(network?.body ?? {})
const has = (network: StoredResource | undefined, wanted: PolicyNeed['feature']) =>
  policyNeeds(network).some(({ feature }) => feature === wanted)
const denies = (network?: StoredResource): network is StoredResource => has(network, 'stateful-filter')

async function publish(tx: Tx, network: StoredResource, requestId: string): Promise<void> {
  const { uid } = network
  const hosts = await hostsOf(tx, uid)
  for (const need of policyNeeds(network)) {
    const unable = hosts.filter(({ features }) => !(JSON.parse(features) as string[]).includes(need.feature))
    if (unable.length > 0) throw new Refused({ kind: 'hosts-lack-feature', need, hosts: unable.length })
  }
  const { generation } = await tx
    .insertInto('firewalls')
    .values({ network_uid: uid, generation: 1 })
    .onConflict((conflict) =>
      conflict
        .column('network_uid')
        .doUpdateSet((row) => ({ generation: row('firewalls.generation', '+', 1) })),
    )
    .returning('generation')
    .executeTakeFirstOrThrow()
  const firewall = await readFirewall(tx, uid, generation)
  for (const { host_id: hostId } of hosts) {
    await queueCommand(tx, {
      ...{ hostId, uid, generation, requestId },
      commandId: `firewall-${uid}-${generation}`,
      body: { case: 'ensureNetwork', value: create(EnsureNetworkSchema, { firewall }) },
    })
  }
}

/** Those that have an instance of the network, or have been told to. */
async function hostsOf(tx: Tx, networkUid: string) {
  return tx
    .selectFrom('hosts')
    .select(['host_id', 'features'])
    .where('host_id', 'in', (row) =>
      row
        .selectFrom('resource_uses')
        .innerJoin('instances', 'instances.uid', 'resource_uses.instance_uid')
        .select('instances.host_id')
        .where('resource_uses.resource_uid', '=', networkUid)
        .where('instances.holds', '!=', 'nothing'),
    )
    .orderBy('host_id')
    .execute()
}

async function readFirewall(tx: Tx, networkUid: string, generation: number): Promise<Firewall> {
  const network = await findResource(tx, networkUid)
  const deniesIngress = denies(network)
  const rows = deniesIngress
    ? await tx
        .selectFrom('resources')
        .selectAll()
        .where('parent_uid', '=', networkUid)
        .where('collection', '=', 'firewall-rules')
        .orderBy('id')
        .execute()
    : []
  return create(FirewallSchema, {
    generation,
    deniesIngress,
    natGateway: has(network, 'nat-gateway'),
    rules: rows.map(resourceFromRow).map(renderRule),
  })
}

function renderRule({ id, body }: StoredResource) {
  // Checked before it was stored.
  const { protocol, ports = [], sources = [], destinations = [] } = body as unknown as FirewallRule
  return create(FirewallRuleSchema, {
    ...{ id, protocol: FirewallProtocol[protocol] },
    ports: ports.map((text) => {
      const [first = 0, last = first] = text.split('-').map(Number)
      return { first, last }
    }),
    ...{ sources: [...sources], destinations: [...destinations] },
  })
}
