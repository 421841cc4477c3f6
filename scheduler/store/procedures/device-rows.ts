import type { DeviceStateName } from '../../../proto/device-state.ts'
import { type HostId, hostId, pciAddress } from '../../../proto/ids.ts'
import type { DeviceCommand, DeviceRecord, DeviceVerb } from '../../model/device.ts'
import type { DeviceRow } from '../tables.ts'
import { conditionFromRow } from './device-condition.ts'
import type { Tx } from './rows.ts'

interface Claimant {
  readonly claimed_by: string | null
  readonly kept_by: string | null
  readonly instance_project: string | null
  readonly instance_id: string | null
}

/** undefined where there is no such host. */
export async function listDevices(tx: Tx, host: HostId): Promise<readonly DeviceRecord[] | undefined> {
  const known = await tx.selectFrom('hosts').select('host_id').where('host_id', '=', host).executeTakeFirst()
  if (!known) return undefined
  return (await withClaimant(tx, host).orderBy('devices.address').execute()).map(deviceFromRow)
}

export async function findDevice(
  tx: Tx,
  { hostId: host, address }: { hostId: string; address: string },
): Promise<DeviceRecord | undefined> {
  const row = await withClaimant(tx, host).where('devices.address', '=', address).executeTakeFirst()
  return row && deviceFromRow(row)
}

const withClaimant = (tx: Tx, host: string) =>
  tx
    .selectFrom('devices')
    .leftJoin('device_claims', (join) =>
      join
        .onRef('device_claims.host_id', '=', 'devices.host_id')
        .onRef('device_claims.address', '=', 'devices.address'),
    )
    .leftJoin('instances', 'instances.uid', 'device_claims.instance_uid')
    .selectAll('devices')
    .select([
      'device_claims.instance_uid as claimed_by',
      'device_claims.slot_uid as kept_by',
      'instances.project as instance_project',
      'instances.id as instance_id',
    ])
    .where('devices.host_id', '=', host)

function deviceFromRow(row: DeviceRow & Claimant): DeviceRecord {
  const { instance_project: project, instance_id: id } = row
  const claimedBy = row.claimed_by ?? row.kept_by
  const lastCommand = commandFromRow(row)
  return {
    ...conditionFromRow(row),
    ...{ hostId: hostId(row.host_id), address: pciAddress(row.address), numaNode: row.numa_node },
    ...(row.accelerator_type === null ? {} : { acceleratorType: row.accelerator_type }),
    ...(row.pci_id === null ? {} : { pciId: row.pci_id }),
    ...{ state: row.state as DeviceStateName, reason: row.reason, message: row.message },
    ...(row.entered_at_ms === null ? {} : { enteredAtMs: row.entered_at_ms }),
    ...(row.deadline_ms === null ? {} : { deadlineMs: row.deadline_ms }),
    ...(row.holder_uid === null ? {} : { holderUid: row.holder_uid }),
    ...(claimedBy === null ? {} : { claimedBy }),
    ...(project === null || id === null ? {} : { instance: { project, id } }),
    ...(lastCommand === undefined ? {} : { lastCommand }),
  }
}

/** What agents give as the reason while a device goes from quarantine to its driver. */
const releasing = 'RELEASING'

/** A guest keeps what it has: nothing is left to be done about it now. */
const isInUse = ({ state }: DeviceRow) => state === 'BINDING' || state === 'IN_USE'

/** Of a reset and of a release the end is that the device has come to rest. */
function commandFromRow(row: DeviceRow): DeviceCommand | undefined {
  const { command_verb: verb, command_request_id: requestId, command_at_ms: askedAtMs } = row
  const { command_error_reason: reason, command_error_message: message } = row
  if (verb === null || requestId === null || askedAtMs === null) return undefined
  const isTaken = row.generation >= row.command_generation
  const hasFailed = !isTaken && reason !== null && message !== null
  const isAtRest = row.state === 'FREE' || (row.state === 'QUARANTINED' && row.reason !== releasing)
  return {
    ...{ verb: verb as DeviceVerb, requestId, askedAtMs },
    status:
      hasFailed || (isTaken && (verb === 'quarantine' || isAtRest || isInUse(row))) ? 'DONE' : 'RUNNING',
    ...(hasFailed ? { error: { reason, message } } : {}),
  }
}
