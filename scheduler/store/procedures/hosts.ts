import type { RegisterHost, RegisterHostOutcome, StoredCapacity, StoredHost } from '../host-store.ts'
import type { HostRow } from '../tables.ts'
import { countCells } from './cell-claims.ts'
import { newDevice } from './device-condition.ts'
import { distrustDevices } from './device-reports.ts'
import { occupantsAfter } from './occupants.ts'
import { findFirstQueued } from './outbox.ts'
import { capacityIn, type Place, readPlace } from './places.ts'
import { prepare } from './prepared.ts'
import { capacityFromRows, type DeviceWithClaim, hostFromRows, type Tx } from './rows.ts'
import { nextHostRevision } from './sequences.ts'

/** Takes what a host says of itself, in the words of its zone. Nothing it says frees, moves or takes a claim. */
export async function registerHost(tx: Tx, input: RegisterHost): Promise<RegisterHostOutcome> {
  const place = await readPlace(tx, input.zone)
  if (place === undefined) return refuseZone(tx, input)
  const known = await tx
    .selectFrom('hosts')
    .selectAll()
    .where('host_id', '=', input.hostId)
    .executeTakeFirst()
  const refusal = known && (refuseIfFenced(known, input) ?? (await refuseIfAnother(tx, known, input)))
  if (refusal) return refusal
  const vcpus = capacityIn(place, input.vcpus)
  const epoch = known ? known.epoch + (known.journal_uuid === input.journalUuid ? 0 : 1) : 1
  const values = {
    zone: input.zone,
    architecture: input.architecture,
    journal_uuid: input.journalUuid,
    boot_id: input.bootId,
    agent_version: input.agentVersion,
    epoch,
    facts: input.facts,
    features: JSON.stringify(input.features ?? []),
    uplinks: JSON.stringify(input.uplinks ?? []),
    partitions: input.partitions === undefined ? null : JSON.stringify(input.partitions),
    unscrubbed_devices: place.unscrubbedDevices,
    // What is claimed stays within capacity even on a host that has shrunk.
    vcpus_allocatable: input.vcpus,
    vcpus_reported: vcpus,
    memory_mib_reported: input.memoryMib,
    disk_gb_reported: input.diskGb,
    vcpus_capacity: Math.max(vcpus, known?.vcpus_used ?? 0),
    memory_mib_capacity: Math.max(input.memoryMib, known?.memory_mib_used ?? 0),
    disk_gb_capacity: Math.max(input.diskGb, known?.disk_gb_used ?? 0),
    cells: await countCells(tx, input, (one) => capacityIn(place, one)),
    revision: await nextHostRevision(tx),
    updated_at_ms: input.nowMs,
  }
  const row = await tx
    .insertInto('hosts')
    .values({
      host_id: input.hostId,
      state: 'ready',
      labels: '{}',
      vcpus_used: 0,
      memory_mib_used: 0,
      disk_gb_used: 0,
      next_command_sequence: input.lastCommandSequence + 1,
      ...values,
    })
    // A fenced host that comes back empty waits for an operator's word.
    .onConflict((conflict) =>
      conflict
        .column('host_id')
        .doUpdateSet({ ...values, ...(known?.state === 'fenced' ? { state: 'cordoned' } : {}) }),
    )
    .returning('next_command_sequence')
    .executeTakeFirstOrThrow()
  await registerDevices(tx, input, place)
  if (known && epoch > known.epoch) await distrustDevices(tx, input.hostId, input.nowMs)
  const nextCommandSequence = (await findFirstQueued(tx, input.hostId)) ?? row.next_command_sequence
  return { kind: 'registered', epoch, nextCommandSequence }
}

async function refuseZone(tx: Tx, { zone }: RegisterHost): Promise<RegisterHostOutcome> {
  const rows = await tx
    .selectFrom('resources')
    .select('id')
    .where('collection', '=', 'zones')
    .orderBy('id')
    .execute()
  const known = rows.map(({ id }) => id).join(', ')
  const message = `There is no zone ${zone}: set the agent's zone to one of ${known}, or create it.`
  return { kind: 'refused', reason: 'UNKNOWN_ZONE', message }
}

function refuseIfFenced(known: HostRow, input: RegisterHost): RegisterHostOutcome | undefined {
  if (known.state !== 'fenced' || known.journal_uuid !== input.journalUuid) return undefined
  return {
    kind: 'refused',
    reason: 'HOST_FENCED',
    message: `Host ${input.hostId} was fenced while it was away: what it held was given up and may run elsewhere. End the guests that are left there, remove its state directory, start its agent again, and uncordon it.`,
  }
}

async function refuseIfAnother(
  tx: Tx,
  known: HostRow,
  input: RegisterHost,
): Promise<RegisterHostOutcome | undefined> {
  if (known.journal_uuid === input.journalUuid && known.zone === input.zone) return undefined
  const placed = await tx
    .selectFrom('instances')
    .select('id')
    .where('host_id', '=', input.hostId)
    .where('holds', '!=', 'nothing')
    .executeTakeFirst()
  const kept = await tx
    .selectFrom('disks')
    .select('id')
    .where('host_id', '=', input.hostId)
    .executeTakeFirst()
  if (!placed && !kept) return undefined
  const [reason, what] =
    known.zone === input.zone
      ? (['JOURNAL_CHANGED', 'another journal'] as const)
      : (['ZONE_CHANGED', `zone ${input.zone} instead of ${known.zone}`] as const)
  return {
    kind: 'refused',
    reason,
    message: `Host ${input.hostId} came back with ${what} while instances or disks are on it: restore its state directory. What they hold there stays reserved meanwhile.`,
  }
}

async function registerDevices(tx: Tx, input: RegisterHost, { types }: Place): Promise<void> {
  await tx.updateTable('devices').set({ present: 0 }).where('host_id', '=', input.hostId).execute()
  for (const device of input.devices) {
    const values = {
      pci_id: device.pciId,
      accelerator_type: types.get(device.pciId) ?? null,
      numa_node: device.numaNode,
      switch_id: device.switchId ?? null,
      present: 1,
    }
    await tx
      .insertInto('devices')
      .values({ ...newDevice, host_id: input.hostId, address: device.address, ...values })
      .onConflict((conflict) => conflict.columns(['host_id', 'address']).doUpdateSet(values))
      .execute()
  }
}

/** Cost grows with what has changed, not with the fleet. */
export async function readHostsChangedAfter(
  tx: Tx,
  revision: number,
): Promise<{ revision: number; hosts: readonly StoredHost[] }> {
  const rows = await hostsAfter.all(tx, { revision })
  if (rows.length === 0) return { revision, hosts: [] }
  const devices = await devicesAfter(tx, revision)
  const occupants = await occupantsAfter(tx, revision)
  return {
    revision: Math.max(...rows.map((row) => row.revision)),
    hosts: rows.map((row) =>
      hostFromRows(row, { devices: devices.get(row.host_id), occupants: occupants.get(row.host_id) }),
    ),
  }
}

/** The same of what placement looks at: what agents say for people is much, and nothing to it. */
export async function readCapacityAfter(tx: Tx, revision: number): Promise<readonly StoredCapacity[]> {
  const rows = await capacityAfter.all(tx, { revision })
  if (rows.length === 0) return []
  const devices = await devicesAfter(tx, revision)
  const occupants = await occupantsAfter(tx, revision)
  return rows.map((row) =>
    capacityFromRows(row, { devices: devices.get(row.host_id), occupants: occupants.get(row.host_id) }),
  )
}

export const readHostRevision = async (tx: Tx): Promise<number> =>
  (await tx.selectFrom('hosts').select('revision').orderBy('revision', 'desc').limit(1).executeTakeFirst())
    ?.revision ?? 0

const hostsAfter = prepare((tx: Tx, { revision }: { revision: number }) =>
  tx.selectFrom('hosts').selectAll().where('revision', '>', revision),
)

const capacityAfter = prepare((tx: Tx, { revision }: { revision: number }) =>
  tx
    .selectFrom('hosts')
    .select(['host_id', 'zone', 'state', 'architecture', 'features', 'uplinks', 'partitions'])
    .select(['vcpus_capacity', 'vcpus_used', 'memory_mib_capacity', 'memory_mib_used', 'disk_gb_capacity'])
    .select(['disk_gb_used', 'unscrubbed_devices', 'labels', 'cells', 'revision'])
    .where('revision', '>', revision),
)

const claimedDevicesAfter = prepare((tx: Tx, { revision }: { revision: number }) =>
  tx
    .selectFrom('hosts')
    .innerJoin('devices', 'devices.host_id', 'hosts.host_id')
    .leftJoin('device_claims', (join) =>
      join
        .onRef('device_claims.host_id', '=', 'devices.host_id')
        .onRef('device_claims.address', '=', 'devices.address'),
    )
    .select([
      'devices.host_id',
      'devices.address',
      'devices.accelerator_type',
      'devices.numa_node',
      'devices.switch_id',
      'devices.present',
      'devices.state',
      'devices.reason',
      'devices.unscrubbed_project',
      'devices.generation',
      'devices.command_generation',
      'devices.command_error_reason',
      'device_claims.instance_uid as claimed_by',
      'device_claims.slot_uid as kept_by',
    ])
    .where('hosts.revision', '>', revision),
)

async function devicesAfter(tx: Tx, revision: number): Promise<ReadonlyMap<string, DeviceWithClaim[]>> {
  const byHost = new Map<string, DeviceWithClaim[]>()
  for (const device of await claimedDevicesAfter.all(tx, { revision })) {
    const list = byHost.get(device.host_id)
    if (list) list.push(device)
    else byHost.set(device.host_id, [device])
  }
  return byHost
}
