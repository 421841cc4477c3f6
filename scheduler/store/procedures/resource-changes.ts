import type { ProjectId, ResourceUid } from '../../../proto/ids.ts'
import { resourceUid } from '../../../proto/ids.ts'
import type { Demand } from '../../model/placement.ts'
import { type StoredAddress, scopeOf } from '../../model/resource.ts'
import type { DeclaredResource, ResourceChanges } from '../resource-store.ts'
import type { ResourceRow } from '../tables.ts'
import { firewallChanged } from './firewalls.ts'
import { settleZones } from './places.ts'
import { Refused } from './refused.ts'
import { nextResourceChange, resourceFromRow } from './resource-rows.ts'
import { findUsers, removeRow } from './resources.ts'
import type { Tx } from './rows.ts'

export async function readResourcesAfter(tx: Tx, change: number): Promise<ResourceChanges> {
  const rows = await tx.selectFrom('resources').selectAll().where('change', '>', change).execute()
  const gone = await tx.selectFrom('resource_deletions').selectAll().where('change', '>', change).execute()
  return {
    change: Math.max(change, ...rows.map((row) => row.change), ...gone.map((row) => row.change)),
    resources: rows.map(resourceFromRow),
    deleted: gone.map(({ uid }) => resourceUid(uid)),
  }
}

export async function listAddresses(tx: Tx, project: ProjectId): Promise<readonly StoredAddress[]> {
  const rows = await tx
    .selectFrom('resources')
    .leftJoin('address_claims', 'address_claims.reservation_uid', 'resources.uid')
    .leftJoin('instances', 'instances.uid', 'address_claims.instance_uid')
    .selectAll('resources')
    .select('instances.id as user')
    .where('resources.collection', '=', 'addresses')
    .where('resources.scope', '=', scopeOf.project(project))
    .orderBy('resources.id')
    .execute()
  return rows.map(({ user, ...row }) => ({ ...resourceFromRow(row), ...(user === null ? {} : { user }) }))
}

/** In order: what others belong to comes first. What is as it was keeps its revision. */
export async function declareResources(
  tx: Tx,
  { resources, nowMs }: { resources: readonly DeclaredResource[]; nowMs: number },
): Promise<void> {
  const kept = new Set<string>()
  for (const resource of resources) kept.add(await declareOne(tx, resource, nowMs))
  const earlier = await tx.selectFrom('resources').selectAll().where('is_declared', '=', 1).execute()
  const dropped = earlier.filter(({ uid }) => !kept.has(uid))
  for (const row of dropped.toSorted((a, b) => dropRank(a) - dropRank(b))) await dropOne(tx, row)
  await settleZones(tx)
}

/** What belongs to another goes before it, as far as nothing uses it. */
const dropOrder: readonly string[] = [
  ...['instance-types', 'accelerator-types', 'zones', 'images', 'subnets', 'networks', 'projects'],
]
const dropRank = ({ collection }: ResourceRow) => dropOrder.indexOf(collection)

async function declareOne(tx: Tx, resource: DeclaredResource, nowMs: number): Promise<string> {
  const parentUid = resource.parent === undefined ? null : await findUid(tx, resource.parent)
  const body = JSON.stringify(resource.body)
  const before = await findRow(tx, resource)
  if (before === undefined) {
    const { uid, collection, scope, id } = resource
    await tx
      .insertInto('resources')
      .values({
        ...{ uid, collection, scope, id, body, parent_uid: parentUid, is_declared: 1, revision: 1 },
        ...{ change: await nextResourceChange(tx), created_at_ms: nowMs, updated_at_ms: nowMs },
      })
      .execute()
    if (collection === 'networks') await adoptNetwork(tx, resource.uid)
    if (collection === 'accelerator-types') await adoptGpus(tx, resource)
  } else if (before.body !== body || before.is_declared !== 1) {
    await tx
      .updateTable('resources')
      .set({
        ...{ body, is_declared: 1, parent_uid: parentUid, updated_at_ms: nowMs },
        ...{ revision: before.revision + 1, change: await nextResourceChange(tx) },
      })
      .where('uid', '=', before.uid)
      .execute()
  }
  const uid = before?.uid ?? resource.uid
  if (resource.collection === 'networks') await tellHosts(tx, resource, before)
  const vlan = Number(resource.body['vlan'] ?? 0)
  if (resource.collection === 'networks' && vlan !== 0) await claimDeclaredVlan(tx, uid, vlan)
  return uid
}

/** A network that denies now what it allowed, or the other way round. */
async function tellHosts(tx: Tx, resource: DeclaredResource, before: ResourceRow | undefined): Promise<void> {
  const after = await findRow(tx, resource)
  try {
    await firewallChanged(tx, {
      ...(before === undefined ? {} : { before: resourceFromRow(before) }),
      ...(after === undefined ? {} : { after: resourceFromRow(after) }),
      requestId: 'settings-file',
    })
  } catch (thrown) {
    if (!(thrown instanceof Refused)) throw thrown
    const { outcome } = thrown
    if (outcome.kind !== 'hosts-lack-feature') throw thrown
    const { field, value, feature } = outcome.need
    const message = `The network ${resource.id} can't have ${field} ${value} yet: hosts with its instances have no ${feature}.`
    throw new Error(message, { cause: thrown })
  }
}

const findRow = (
  tx: Tx,
  { collection, scope, id }: Pick<DeclaredResource, 'collection' | 'scope' | 'id'>,
): Promise<ResourceRow | undefined> =>
  tx
    .selectFrom('resources')
    .selectAll()
    .where('collection', '=', collection)
    .where('scope', '=', scope)
    .where('id', '=', id)
    .executeTakeFirst()

async function findUid(tx: Tx, named: NonNullable<DeclaredResource['parent']>): Promise<string> {
  const row = await findRow(tx, named)
  if (row === undefined) throw new Error(`${named.collection} ${named.id} was not declared before its parts.`)
  return row.uid
}

/** Instances that were there before their networks were rows. */
async function adoptNetwork(tx: Tx, uid: ResourceUid): Promise<void> {
  await tx
    .insertInto('resource_uses')
    .columns(['resource_uid', 'instance_uid'])
    .expression(
      tx
        .selectFrom('address_claims')
        .select(['network_uid', 'instance_uid'])
        .distinct()
        .where('network_uid', '=', uid)
        .where('instance_uid', 'is not', null)
        .$narrowType<{ instance_uid: string }>(),
    )
    .execute()
}

/** Instances that were there before their GPUs' types were rows. */
async function adoptGpus(tx: Tx, type: DeclaredResource): Promise<void> {
  const rows = await tx
    .selectFrom('instances')
    .select(['uid', 'demand'])
    .where('demand', 'like', `%"${type.id}"%`)
    .execute()
  const users = rows.filter(({ demand }) => {
    const { zone, gpus } = JSON.parse(demand) as Demand
    return scopeOf.zone(zone) === type.scope && gpus.some((gpu) => gpu.type === type.id)
  })
  for (const { uid } of users) {
    await tx.insertInto('resource_uses').values({ resource_uid: type.uid, instance_uid: uid }).execute()
  }
}

/** An operator may put several networks on one VLAN: the pool leaves it alone either way. */
async function claimDeclaredVlan(tx: Tx, networkUid: string, vlan: number): Promise<void> {
  await tx
    .insertInto('vlan_claims')
    .values({ vlan, network_uid: networkUid })
    .onConflict((conflict) => conflict.column('vlan').doNothing())
    .execute()
}

async function dropOne(tx: Tx, row: ResourceRow): Promise<void> {
  const resource = resourceFromRow(row)
  const users = await findUsers(tx, resource)
  if (users.length === 0) return removeRow(tx, resource)
  await tx
    .updateTable('resources')
    .set({ is_declared: 0, revision: row.revision + 1, change: await nextResourceChange(tx) })
    .where('uid', '=', row.uid)
    .execute()
}
