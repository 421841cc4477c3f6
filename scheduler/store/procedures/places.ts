// Zones with their accelerator types, and what they make of the hosts in them: capacity from CPUs, types from PCI ids. It is
// worked out here alone, in the transaction that registers a host or changes a zone, so that neither misses the other.
import type { UnscrubbedPolicy } from '../../model/device.ts'
import { type StoredResource, scopeOf, zoneOf } from '../../model/resource.ts'
import { resizeCells } from './cell-claims.ts'
import { findClaimants } from './place-users.ts'
import { Refused } from './refused.ts'
import type { Tx } from './rows.ts'
import { touchHost } from './sequences.ts'

export interface Place {
  readonly cpuOvercommit: number
  readonly unscrubbedDevices: UnscrubbedPolicy
  /** PCI id → accelerator type. */
  readonly types: ReadonlyMap<string, string>
}

const findZone = (tx: Tx, zone: string) =>
  tx
    .selectFrom('resources')
    .select('body')
    .where('collection', '=', 'zones')
    .where('scope', '=', scopeOf.region)
    .where('id', '=', zone)
    .executeTakeFirst()

export const zoneIsThere = async (tx: Tx, zone: string): Promise<boolean> =>
  (await findZone(tx, zone)) !== undefined

/** undefined where there is no such zone. */
export async function readPlace(tx: Tx, zone: string): Promise<Place | undefined> {
  const row = await findZone(tx, zone)
  if (row === undefined) return undefined
  const { cpuOvercommit, unscrubbedDevices = 'quarantine' } = JSON.parse(row.body) as {
    cpuOvercommit: number
    unscrubbedDevices?: UnscrubbedPolicy
  }
  const types = new Map<string, string>()
  for (const { id, pciIds } of await typesIn(tx, scopeOf.zone(zone))) {
    for (const pciId of pciIds) if (!types.has(pciId)) types.set(pciId, id)
  }
  return { cpuOvercommit, unscrubbedDevices, types }
}

/** What the settings file says of a PCI id comes before what was made by request. */
async function typesIn(tx: Tx, scope: string) {
  const rows = await tx
    .selectFrom('resources')
    .selectAll()
    .where('collection', '=', 'accelerator-types')
    .where('scope', '=', scope)
    .orderBy('is_declared', 'desc')
    .orderBy('id')
    .execute()
  return rows.map(({ uid, id, body }) => ({ uid, id, pciIds: pciIdsOf({ body: JSON.parse(body) }) }))
}

const pciIdsOf = ({ body }: Pick<StoredResource, 'body'>) => body['pciIds'] as readonly string[]

export const capacityIn = ({ cpuOvercommit }: Place, vcpus: number) => Math.floor(vcpus * cpuOvercommit)

/** After a resource was made, changed or deleted. @throws Refused where that can't be */
export async function placeChanged(
  tx: Tx,
  { before, after }: { before?: StoredResource; after?: StoredResource },
): Promise<void> {
  const resource = after ?? before
  if (resource?.collection === 'zones') return settleZone(tx, resource.id)
  if (resource?.collection === 'instance-types' && !before) return checkParts(tx, resource)
  if (resource?.collection !== 'accelerator-types') return
  if (!before) await checkParts(tx, resource)
  if (after) await checkPciIds(tx, after)
  if (before && after) await checkClaims(tx, before, after)
  await settleZone(tx, zoneOf(resource.scope))
}

async function checkPciIds(tx: Tx, type: StoredResource): Promise<void> {
  const own = pciIdsOf(type)
  for (const { uid, id, pciIds } of await typesIn(tx, type.scope)) {
    const pciId = uid === type.uid ? undefined : own.find((one) => pciIds.includes(one))
    if (pciId !== undefined) throw new Refused({ kind: 'pci-id-taken', pciId, type: id })
  }
}

/** A device keeps its type for as long as somebody has it. */
async function checkClaims(tx: Tx, before: StoredResource, after: StoredResource): Promise<void> {
  const zone = zoneOf(before.scope)
  const pciIds = pciIdsOf(before).filter((one) => !pciIdsOf(after).includes(one))
  const by = pciIds.length === 0 ? [] : await findClaimants(tx, { zone, type: before.id, pciIds })
  if (by.length > 0) throw new Refused({ kind: 'in-use', by })
}

/** Its zone, and the accelerator type that an instance type names, may have gone while it was asked for. */
async function checkParts(tx: Tx, { scope, body }: StoredResource): Promise<void> {
  const { zone = zoneOf(scope), gpus } = body as { zone?: string; gpus?: { type: string } }
  const types = gpus === undefined ? [] : await typesIn(tx, scopeOf.zone(zone))
  const hasGpus = gpus === undefined || types.some(({ id }) => id === gpus.type)
  if (!hasGpus || !(await zoneIsThere(tx, zone))) throw new Refused({ kind: 'parent-gone' })
}

/** Hosts in it, by its words of now. What is claimed stays claimed: capacity beyond it falls as that is given back. */
export async function settleZone(tx: Tx, zone: string): Promise<void> {
  const place = await readPlace(tx, zone)
  if (place === undefined) return
  const changed = new Set([
    ...(await settleCapacity(tx, zone, place)),
    ...(await settleTypes(tx, zone, place)),
    ...(await settlePolicy(tx, zone, place)),
  ])
  for (const hostId of changed) await touchHost(tx, hostId)
}

export async function settleZones(tx: Tx): Promise<void> {
  const zones = await tx.selectFrom('resources').select('id').where('collection', '=', 'zones').execute()
  for (const { id } of zones) await settleZone(tx, id)
}

async function settleCapacity(tx: Tx, zone: string, place: Place): Promise<readonly string[]> {
  const hosts = await tx
    .selectFrom('hosts')
    .select(['host_id', 'vcpus_allocatable', 'vcpus_reported', 'vcpus_used', 'cells'])
    .where('zone', '=', zone)
    .execute()
  const changed: string[] = []
  for (const { host_id, vcpus_allocatable, vcpus_reported, vcpus_used, cells } of hosts) {
    const reported = vcpus_allocatable === null ? vcpus_reported : capacityIn(place, vcpus_allocatable)
    if (reported === vcpus_reported) continue
    await tx
      .updateTable('hosts')
      .set({
        ...{ vcpus_reported: reported, vcpus_capacity: Math.max(reported, vcpus_used) },
        cells: resizeCells(cells, (vcpus) => capacityIn(place, vcpus)),
      })
      .where('host_id', '=', host_id)
      .execute()
    changed.push(host_id)
  }
  return changed
}

async function settlePolicy(tx: Tx, zone: string, { unscrubbedDevices }: Place): Promise<readonly string[]> {
  const hosts = await tx
    .updateTable('hosts')
    .set({ unscrubbed_devices: unscrubbedDevices })
    .where('zone', '=', zone)
    .where('unscrubbed_devices', '<>', unscrubbedDevices)
    .returning('host_id')
    .execute()
  return hosts.map(({ host_id }) => host_id)
}

async function settleTypes(tx: Tx, zone: string, { types }: Place): Promise<readonly string[]> {
  const devices = await tx
    .selectFrom('devices')
    .innerJoin('hosts', 'hosts.host_id', 'devices.host_id')
    .select(['devices.host_id', 'devices.address', 'devices.pci_id', 'devices.accelerator_type'])
    .where('hosts.zone', '=', zone)
    .execute()
  const changed: string[] = []
  for (const { host_id, address, pci_id, accelerator_type } of devices) {
    const type = pci_id === null ? accelerator_type : (types.get(pci_id) ?? null)
    if (type === accelerator_type) continue
    await tx
      .updateTable('devices')
      .set({ accelerator_type: type })
      .where('host_id', '=', host_id)
      .where('address', '=', address)
      .execute()
    changed.push(host_id)
  }
  return changed
}
