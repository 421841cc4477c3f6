import { deviceStateName } from '../../../proto/device-state.ts'
import type { DeviceObservation } from '../../../proto/gen/berth/agent/v1/device_pb.ts'
import type {
  ApplyDeviceObservation,
  ApplyDeviceObservationOutcome,
  FailDeviceCommand,
} from '../device-store.ts'
import type { DeviceRow } from '../tables.ts'
import type { Tx } from './rows.ts'
import { touchHost } from './sequences.ts'

/** A newer agent's: whatever it means, it is not free. */
const unknownState = {
  state: 'QUARANTINED',
  reason: 'STATE_UNKNOWN',
  message: 'Its agent is newer than the scheduler and says a state that this one does not know.',
} as const

/** One report of a host about a device of its own. It never frees, moves or takes a claim: those are the instances'. */
export async function applyDeviceObservation(
  tx: Tx,
  { hostId, epoch, observation, nowMs }: ApplyDeviceObservation,
): Promise<ApplyDeviceObservationOutcome> {
  const host = await tx
    .selectFrom('hosts')
    .select(['epoch', 'state'])
    .where('host_id', '=', hostId)
    .executeTakeFirst()
  if (!host) return { kind: 'unknown', message: `There is no host ${hostId}.` }
  if (host.state === 'fenced' || epoch < host.epoch) {
    return { kind: 'stale', message: `The report is of epoch ${epoch}, and the host is at ${host.epoch}.` }
  }
  const { address } = observation
  const before = await tx
    .selectFrom('devices')
    .selectAll()
    .where('host_id', '=', hostId)
    .where('address', '=', address)
    .executeTakeFirst()
  const values = valuesOf(observation, before)
  const observed_at_ms = Number(observation.observedAtUnixMs) || nowMs
  await tx
    .insertInto('devices')
    .values({
      ...{ host_id: hostId, address, pci_id: null, accelerator_type: null, numa_node: -1, switch_id: null },
      ...{ command_generation: 0, observed_at_ms, ...values },
    })
    .onConflict((conflict) =>
      conflict.columns(['host_id', 'address']).doUpdateSet({ ...values, observed_at_ms }),
    )
    .execute()
  // After every welcome all of them are told again: placement need not read what is as it was.
  if (before && isAsBefore(before, values)) return { kind: 'unchanged' }
  await touchHost(tx, hostId)
  return { kind: 'applied' }
}

function valuesOf(observation: DeviceObservation, before: DeviceRow | undefined) {
  const { reason, message, requestId, unscrubbedProject, instanceUid } = observation
  const state = deviceStateName(observation.state)
  return {
    ...(state === undefined ? unknownState : { state, reason, message }),
    entered_at_ms: numberOf(observation.enteredAtUnixMs),
    deadline_ms: numberOf(observation.deadlineUnixMs),
    holder_uid: instanceUid || null,
    unscrubbed_project: unscrubbedProject || null,
    // Another journal begins anew, and the scheduler does not: what is asked next must be new to both.
    generation: Math.max(observation.generation, before?.generation ?? 0),
    request_id: requestId,
    present: observation.present ? 1 : 0,
  }
}

const numberOf = (value: bigint) => (value === 0n ? null : Number(value))

const isAsBefore = (before: DeviceRow, values: ReturnType<typeof valuesOf>) =>
  Object.entries(values).every(([name, value]) => before[name as keyof DeviceRow] === value)

/** An agent's no to an operator's word, or a word that nobody is left to take. */
export async function failDeviceCommand(
  tx: Tx,
  { hostId, address, generation, reason, message }: FailDeviceCommand,
): Promise<void> {
  const failed = await tx
    .updateTable('devices')
    .set({ command_error_reason: reason, command_error_message: message })
    .where('host_id', '=', hostId)
    .where('address', '=', address)
    .where('command_generation', '=', generation)
    .executeTakeFirst()
  if (failed.numUpdatedRows > 0n) await touchHost(tx, hostId)
}

/** Its host is gone for good, and with it who would have taken what was asked. */
export async function loseDeviceCommands(tx: Tx, hostId: string): Promise<void> {
  await tx
    .updateTable('devices')
    .set({
      command_error_reason: 'HOST_FENCED',
      command_error_message: 'Its host was fenced before it had taken the command.',
    })
    .where('host_id', '=', hostId)
    .whereRef('generation', '<', 'command_generation')
    .execute()
}

/**
 * Another journal knows nothing of guests that had a device under the one before: what was on its way back from them stays
 * away from others until its agent or an operator has said more.
 */
export async function distrustDevices(tx: Tx, hostId: string, nowMs: number): Promise<void> {
  await tx
    .updateTable('devices')
    .set({
      ...{ state: 'QUARANTINED', reason: 'JOURNAL_CHANGED', entered_at_ms: nowMs, deadline_ms: null },
      message:
        'Its host came back with another journal while the device was on its way to or from a guest: what is in it is not known. Reset it, or release it.',
    })
    .where('host_id', '=', hostId)
    .where('state', 'not in', ['FREE', 'QUARANTINED'])
    .execute()
}
