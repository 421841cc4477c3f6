import type { PciAddress } from '../../../proto/ids.ts'

/** The device can't be given to a guest: which, and why. */
export class PassthroughError extends Error {
  override readonly name = 'PassthroughError'
  readonly reason: 'DEVICE_MISSING' | 'NO_IOMMU' | 'IOMMU_GROUP_SHARED' | 'BIND_FAILED'

  constructor(reason: PassthroughError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** Gives a PCI function to a guest and back. Both may be repeated. */
export interface PassthroughDriver {
  /** The driver that has the device; '' for none. Written to the journal before anything is unbound. */
  readDriver(address: PciAddress): Promise<string>
  /** Bound to vfio-pci, and the guest's user may open its IOMMU group. @throws PassthroughError */
  ensureBound(address: PciAddress, ownerUid: number): Promise<void>
  /** Bound to its former driver again. */
  ensureReleased(address: PciAddress, formerDriver: string): Promise<void>
}
