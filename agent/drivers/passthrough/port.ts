import type { PciAddress } from '../../../proto/ids.ts'

/** The device can't be given to a guest, or can't be taken back from one: which, and why. */
export class PassthroughError extends Error {
  override readonly name = 'PassthroughError'
  readonly reason:
    | 'DEVICE_MISSING'
    | 'DEVICE_HELD'
    | 'DEVICE_QUARANTINED'
    | 'DEVICE_BUSY'
    | 'NO_IOMMU'
    | 'NO_VFIO'
    | 'IOMMU_GROUP_SHARED'
    | 'BIND_FAILED'
    | 'RESET_FAILED'
    | 'SCRUB_FAILED'
    | 'VERIFY_FAILED'
    | 'RELEASE_FAILED'

  constructor(reason: PassthroughError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** What a device shows of itself while no guest has it. */
export interface DeviceHealth {
  /** Four hex digits each. */
  readonly vendorId: string
  readonly deviceId: string
  /** Where its memory windows lie and how large they are, as the kernel writes them. */
  readonly resources: string
  /** Lanes, such as 16; '' where the kernel doesn't say. A link that idles may be slower than it can be, never narrower. */
  readonly linkWidth: string
}

/** Gives a PCI function to a guest and back. All may be repeated; each but `scrub` ends within a minute, hung kernel or not. */
export interface PassthroughDriver {
  isPresent(address: PciAddress): Promise<boolean>
  /** The driver that has the device; '' for none. Written to the journal before anything is unbound. @throws PassthroughError */
  readDriver(address: PciAddress): Promise<string>
  /** @throws PassthroughError */
  readHealth(address: PciAddress): Promise<DeviceHealth>
  /** Why the device may not be taken for a guest now; resolves where it may. Changes nothing. @throws PassthroughError */
  requireBindable(address: PciAddress, ownerUid: number): Promise<void>
  /** Bound to vfio-pci, and the guest's user may open its IOMMU group. @throws PassthroughError */
  ensureBound(address: PciAddress, ownerUid: number): Promise<void>
  /** As after power-on. @throws PassthroughError */
  reset(address: PciAddress): Promise<void>
  /**
   * Removes what a guest has left in it; false where the host has no means to. What was begun for the same moment goes on,
   * also an earlier agent's. @throws PassthroughError; anything else may be tried again
   */
  scrub(address: PciAddress, sinceUnixMs: number): Promise<boolean>
  /** It answers, with the same windows and link as before. @throws PassthroughError that says what is different */
  verify(address: PciAddress, before: DeviceHealth): Promise<void>
  /** Bound to its former driver again. @throws PassthroughError */
  ensureReleased(address: PciAddress, formerDriver: string): Promise<void>
}
