import { findAccelerator, type KnownAccelerator } from '../../proto/accelerators.ts'
import type { HostFacts, PciDevice } from '../../proto/gen/berth/agent/v1/host_pb.ts'

const vgaClass = '0300'
/** Whose cards with a screen are worth a guest's while: NVIDIA, AMD. */
const cardMakers = ['10de', '1002']

export const pciIdOf = ({ vendorId, deviceId }: Pick<PciDevice, 'vendorId' | 'deviceId'>): string =>
  `${vendorId}:${deviceId}`

/**
 * What a host has for guests. The display of its board's management controller is a display controller too, and nothing that
 * a host must be put right for.
 */
export function guestAcceleratorsOf(
  { devices }: Pick<HostFacts, 'devices'>,
  named: readonly KnownAccelerator[] = [],
): readonly PciDevice[] {
  return devices.filter(
    (device) =>
      !device.class.startsWith(vgaClass) ||
      cardMakers.includes(device.vendorId) ||
      findAccelerator(pciIdOf(device), named) !== undefined,
  )
}
