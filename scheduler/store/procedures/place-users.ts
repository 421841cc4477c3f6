// Who keeps a zone or an accelerator type from going, beyond what uses any resource.
import { type Collection, collections, type StoredResource, zoneOf } from '../../model/resource.ts'
import type { InUse } from '../resource-store.ts'
import type { Tx } from './rows.ts'

type Users = InUse['by']
const namedUsers = 5

export async function findPlaceUsers(
  tx: Tx,
  { collection, scope, id }: Pick<StoredResource, 'collection' | 'scope' | 'id'>,
): Promise<Users> {
  if (collection === 'zones') return findZoneUsers(tx, id)
  if (collection !== 'accelerator-types') return []
  const zone = zoneOf(scope)
  const named = await findNaming(
    tx,
    (one) => one.zone === zone && [one.gpus ?? []].flat().some(({ type }) => type === id),
  )
  return [...named, ...(await findClaimants(tx, { zone, type: id }))]
}

/** A fenced host is gone for good, and is in no zone's way; what was on it may be. */
async function findZoneUsers(tx: Tx, zone: string): Promise<Users> {
  const hosts = await tx
    .selectFrom('hosts')
    .select('host_id')
    .where('zone', '=', zone)
    .where('state', '!=', 'fenced')
    .orderBy('host_id')
    .limit(namedUsers)
    .execute()
  const instances = await tx
    .selectFrom('instances')
    .innerJoin('hosts', 'hosts.host_id', 'instances.host_id')
    .select('instances.id')
    .where('hosts.zone', '=', zone)
    .limit(namedUsers)
    .execute()
  const waiting = await tx
    .selectFrom('waiting')
    .innerJoin('instances', 'instances.uid', 'waiting.instance_uid')
    .select('instances.id')
    .where('waiting.zone', '=', zone)
    .limit(namedUsers)
    .execute()
  const disks = await tx.selectFrom('disks').select('id').where('zone', '=', zone).limit(namedUsers).execute()
  return [
    ...hosts.map(({ host_id: id }) => ({ noun: 'host', id })),
    ...[...instances, ...waiting].map(({ id }) => ({ noun: 'instance', id })),
    ...disks.map(({ id }) => ({ noun: 'disk', id })),
    ...(await findNaming(tx, (one) => one.zone === zone)),
  ]
}

interface Naming {
  readonly zone?: string
  /** One of an instance type, several of a reservation. */
  readonly gpus?: { readonly type: string } | readonly { readonly type: string }[]
}

/** Types and reservations: by the zone that they are in, or by what is in their bodies. */
async function findNaming(tx: Tx, isUser: (one: Naming) => boolean): Promise<Users> {
  const rows = await tx
    .selectFrom('resources')
    .select(['collection', 'scope', 'id', 'body'])
    .where('collection', 'in', ['instance-types', 'accelerator-types', 'reservations'])
    .orderBy('uid')
    .execute()
  return rows
    .filter(({ scope, body }) => isUser({ zone: zoneOf(scope), ...(JSON.parse(body) as Naming) }))
    .map(({ collection, id }) => ({ noun: collections[collection as Collection], id }))
    .slice(0, namedUsers)
}

/** Instances and reservations that have devices of a type, or those of its devices with certain PCI ids. */
export async function findClaimants(
  tx: Tx,
  { zone, type, pciIds }: { zone: string; type: string; pciIds?: readonly string[] },
): Promise<Users> {
  const rows = await tx
    .selectFrom('devices')
    .innerJoin('hosts', 'hosts.host_id', 'devices.host_id')
    .innerJoin('device_claims', (join) =>
      join
        .onRef('device_claims.host_id', '=', 'devices.host_id')
        .onRef('device_claims.address', '=', 'devices.address'),
    )
    .leftJoin('instances', 'instances.uid', 'device_claims.instance_uid')
    .leftJoin('reservation_slots', 'reservation_slots.uid', 'device_claims.slot_uid')
    .leftJoin('resources', 'resources.uid', 'reservation_slots.reservation_uid')
    .select(['instances.id as instance', 'resources.id as reservation'])
    .distinct()
    .where('hosts.zone', '=', zone)
    .where('devices.accelerator_type', '=', type)
    .$if(pciIds !== undefined, (query) => query.where('devices.pci_id', 'in', pciIds ?? []))
    .limit(namedUsers)
    .execute()
  return rows.flatMap(({ instance, reservation }) => [
    ...(instance === null ? [] : [{ noun: 'instance', id: instance }]),
    ...(reservation === null ? [] : [{ noun: 'reservation', id: reservation }]),
  ])
}
