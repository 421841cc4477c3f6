// The part of the store's port that is about devices of hosts: what agents say of them, and what operators ask.
import type { DeviceObservation } from '../../proto/gen/berth/agent/v1/device_pb.ts'
import type { HostId, PciAddress } from '../../proto/ids.ts'
import type { DeviceRecord, DeviceVerb } from '../model/device.ts'
import type { IdempotencyKey } from './store.ts'

export interface DeviceStore {
  /** By address; undefined where there is no such host. */
  listDevices(hostId: HostId): Promise<readonly DeviceRecord[] | undefined>
  /** An operator's word on a device: that it was asked, its command and its idempotency key, all or nothing. */
  changeDevice(input: ChangeDevice): Promise<ChangeDeviceOutcome>
  /** What a host says of a device: it never frees, moves or takes a claim; stale epochs are dropped. */
  applyDeviceObservation(input: ApplyDeviceObservation): Promise<ApplyDeviceObservationOutcome>
  /** The host's no to the latest command for a device; of an earlier one nothing is remembered. */
  failDeviceCommand(input: FailDeviceCommand): Promise<void>
}

export interface ChangeDevice {
  readonly hostId: HostId
  readonly address: PciAddress
  readonly verb: DeviceVerb
  /** Of a quarantine, in the operator's words. */
  readonly reason?: string
  readonly idempotency?: IdempotencyKey
  readonly commandId: string
  readonly requestId: string
  readonly nowMs: number
}

export type ChangeDeviceOutcome =
  | { readonly kind: 'accepted'; readonly device: DeviceRecord }
  | { readonly kind: 'other-request' }
  | { readonly kind: 'not-found'; readonly what: 'host' | 'device' }
  /** A sentence. */
  | { readonly kind: 'wrong-state'; readonly message: string }

export interface ApplyDeviceObservation {
  readonly hostId: HostId
  /** Of the session that it came in. */
  readonly epoch: number
  readonly observation: DeviceObservation
  readonly nowMs: number
}

export type ApplyDeviceObservationOutcome =
  | { readonly kind: 'applied' | 'unchanged' }
  | { readonly kind: 'stale' | 'unknown'; readonly message: string }

export interface FailDeviceCommand {
  readonly hostId: HostId
  readonly address: PciAddress
  readonly generation: number
  readonly reason: string
  readonly message: string
}
