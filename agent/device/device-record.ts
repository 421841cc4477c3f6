import { create } from '@bufbuild/protobuf'
import { type DeviceStateName, deviceLifecycle, deviceStateName } from '../../proto/device-state.ts'
import {
  type DeviceObservation,
  DeviceObservationSchema,
  DeviceState,
} from '../../proto/gen/berth/agent/v1/device_pb.ts'
import { type DeviceRecord, DeviceRecordSchema } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { recordVersion } from '../journal/journal.ts'

/** What a newer agent has written and this one doesn't know is not free. */
const stateName = (state: DeviceState): DeviceStateName => deviceStateName(state) ?? 'QUARANTINED'

export const newDeviceRecord = (address: string, nowMs: number): DeviceRecord =>
  create(DeviceRecordSchema, {
    ...{ recordVersion, address, state: DeviceState.FREE },
    enteredAtUnixMs: BigInt(nowMs),
  })

/** A free device remembers nothing of its last guest but what that may have left in it. */
export const forgotten = { instanceUid: '', project: '', formerDriver: undefined, health: undefined } as const

/** The record in its next state. @throws where the table of states knows no such edge: a fault of this program. */
export function inState(
  before: DeviceRecord,
  state: DeviceState,
  change: Partial<Omit<DeviceRecord, 'state' | 'enteredAtUnixMs' | 'deadlineUnixMs'>> & { nowMs: number },
): DeviceRecord {
  const [from, to] = [stateName(before.state), stateName(state)]
  if (from !== to && !deviceLifecycle[from].next.includes(to)) {
    throw new Error(`Device ${before.address} can't go from ${from} to ${to}.`)
  }
  const { nowMs, ...fields } = change
  const { deadlineMs } = deviceLifecycle[to]
  return create(DeviceRecordSchema, {
    // An operator's words stay until they are carried out.
    ...(before.quarantineAsked ? before : { ...before, reason: '', message: '' }),
    ...{ ...fields, recordVersion, state },
    enteredAtUnixMs: BigInt(nowMs),
    deadlineUnixMs: BigInt(deadlineMs === undefined ? 0 : nowMs + deadlineMs),
  })
}

export function observationOf(
  record: DeviceRecord,
  seen: {
    readonly present: boolean
    /** What keeps it from guests while it is free; not noted, for it ends by itself. */
    readonly trouble?: { readonly reason: string; readonly message: string } | undefined
    readonly nowMs: number
  },
): DeviceObservation {
  const { address, enteredAtUnixMs, deadlineUnixMs } = record
  const isKept = seen.trouble !== undefined && record.state === DeviceState.FREE
  const { state, reason, message } = isKept ? { ...seen.trouble, state: DeviceState.QUARANTINED } : record
  const { unscrubbedProject, generation, requestId } = record
  return create(DeviceObservationSchema, {
    ...{ address, state, reason, message, enteredAtUnixMs, deadlineUnixMs },
    ...{ unscrubbedProject, generation, requestId, present: seen.present },
    instanceUid: record.state === DeviceState.FREE ? '' : record.instanceUid,
    observedAtUnixMs: BigInt(seen.nowMs),
  })
}
