// What keeps a host's accelerators from guests, device by device. Pure: facts in, sentences out.

import type { KnownAccelerator } from '../../proto/accelerators.ts'
import type { HostFacts, HostWarning, PciDevice } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { guestAcceleratorsOf } from './guest-accelerators.ts'
import { toWarnings } from './warnings.ts'

/** Drivers under which another function of a group takes no part in DMA. */
const harmlessDrivers = ['', 'vfio-pci', 'pcieport', 'pci-stub']

export function findDeviceTroubles(
  facts: HostFacts,
  named: readonly KnownAccelerator[] = [],
): readonly HostWarning[] {
  const accelerators = guestAcceleratorsOf(facts, named)
  const isAccelerator = (address: string) => accelerators.some((one) => one.address === address)
  return accelerators.flatMap((device) => {
    const users = device.iommuGroupOthers
      .filter(({ driver }) => !harmlessDrivers.includes(driver))
      .map(({ address, driver }) => `${address} (${driver})`)
    const siblings = device.iommuGroupOthers.map(({ address }) => address).filter(isAccelerator)
    return toWarnings([
      [
        users.length > 0,
        'IOMMU_GROUP_SHARED',
        `${device.address} is in IOMMU group ${device.iommuGroup} with ${users.join(', ')}, which the host uses: no guest gets it. Bind the others to vfio-pci too, for example with driverctl set-override, or put the card into a slot with a group of its own.`,
      ],
      [
        siblings.length > 0,
        'ACCELERATORS_SHARE_GROUP',
        `${device.address} is in IOMMU group ${device.iommuGroup} with ${siblings.join(', ')}: two guests can't have one each. Turn ACS on in the firmware, for the switch that is above them.`,
      ],
      [
        !['', 'vfio-pci'].includes(device.driver),
        'DRIVER_HOLDS_ACCELERATOR',
        `The driver ${device.driver} has ${device.address}: a program that uses it there keeps it from guests, and its driver may not let go. Keep ${device.driver} off it: blacklist it in /etc/modprobe.d, or bind the device to vfio-pci when the host boots.`,
      ],
      [
        isNarrow(device),
        'NARROW_LINK',
        `The link of ${device.address} has ${device.link?.currentLanes} of ${device.link?.maximumLanes} lanes: seat the card anew, or look at its riser and its slot.`,
      ],
      [
        device.iommuGroup !== '' && device.resetMethods.length === 0,
        'NO_RESET',
        `The kernel knows no way to reset ${device.address}: what one guest leaves in it the next one finds. Take a newer kernel or firmware.`,
      ],
    ])
  })
}

/** Speed says nothing: idle devices slow their links down. */
const isNarrow = ({ link }: PciDevice) =>
  link !== undefined && link.currentLanes > 0 && link.currentLanes < link.maximumLanes
