// Moves PCI functions between their own drivers and vfio-pci, by driver_override alone: new_id would catch every device of
// a kind. In: a PCI address. Out: a device that a guest's user may open, or a refusal that names what is in the way.
import type { Logger } from '../../../lib/log.ts'
import type { PciAddress } from '../../../proto/ids.ts'
import type { Files, Sysfs } from '../../host/ports.ts'
import { type PassthroughDriver, PassthroughError } from './port.ts'

const pci = 'sys/bus/pci'
const vfio = 'vfio-pci'
/** Drivers under which other members of a group take no part in DMA. */
const harmlessDrivers = new Set(['', vfio, 'pcieport', 'pci-stub'])

export function createSysfsPassthrough(options: {
  sysfs: Sysfs
  files: Files
  log: Logger
}): PassthroughDriver {
  const { sysfs, files, log } = options
  const at = (address: PciAddress, attribute: string) => `${pci}/devices/${address}/${attribute}`

  const readDriver = async (address: PciAddress) => {
    if ((await sysfs.read(at(address, 'vendor'))) === undefined) {
      throw new PassthroughError('DEVICE_MISSING', `Device ${address} is not on this host any more.`)
    }
    return (await sysfs.readLinkName(at(address, 'driver'))) ?? ''
  }

  const requireOwnGroup = async (address: PciAddress): Promise<string> => {
    const group = await sysfs.readLinkName(at(address, 'iommu_group'))
    if (group === undefined) {
      throw new PassthroughError(
        'NO_IOMMU',
        `Device ${address} has no IOMMU group: switch the IOMMU on in firmware and kernel command line.`,
      )
    }
    for (const member of await sysfs.list(`sys/kernel/iommu_groups/${group}/devices`)) {
      if (member === address) continue
      const driver = (await sysfs.readLinkName(`${pci}/devices/${member}/driver`)) ?? ''
      if (harmlessDrivers.has(driver)) continue
      throw new PassthroughError(
        'IOMMU_GROUP_SHARED',
        `Device ${address} shares IOMMU group ${group} with ${member}, which ${driver} uses.`,
      )
    }
    return group
  }

  const clearOverride = (address: PciAddress) => sysfs.write(at(address, 'driver_override'), '\n')

  /** From whatever has it to `driver`; '' leaves it to none. */
  const move = async (address: PciAddress, driver: string) => {
    if (driver !== '') await sysfs.write(at(address, 'driver_override'), driver)
    const current = await readDriver(address)
    if (current !== '' && current !== driver) await sysfs.write(at(address, 'driver/unbind'), address)
    if (driver !== '') await sysfs.write(`${pci}/drivers_probe`, address)
  }

  return {
    readDriver,
    ensureBound: async (address, ownerUid) => {
      const driver = await readDriver(address)
      const group = await requireOwnGroup(address)
      const device = `/dev/vfio/${group}`
      const holder = (await files.stat(device))?.uid ?? 0
      if (holder !== 0 && holder !== ownerUid) {
        throw new PassthroughError(
          'IOMMU_GROUP_SHARED',
          `Device ${address} is in IOMMU group ${group}, which another guest has (user ${holder}).`,
        )
      }
      if (driver !== vfio) {
        await move(address, vfio)
        const bound = await readDriver(address)
        if (bound !== vfio) {
          throw new PassthroughError(
            'BIND_FAILED',
            `Device ${address} did not go to vfio-pci but ${bound === '' ? 'has no driver' : `to ${bound}`}: is the module loaded?`,
          )
        }
        log.info({ address, formerDriver: driver }, 'A device is ready for a guest.')
      }
      if (await files.stat(device)) await files.changeOwner(device, { uid: ownerUid, gid: 0 })
    },
    ensureReleased: async (address, formerDriver) => {
      // Pulled out of the host: nothing of it is left to give back.
      if ((await sysfs.read(at(address, 'vendor'))) === undefined) return
      const group = await sysfs.readLinkName(at(address, 'iommu_group'))
      const device = `/dev/vfio/${group}`
      if (group !== undefined && (await files.stat(device)))
        await files.changeOwner(device, { uid: 0, gid: 0 })
      if ((await readDriver(address)) !== formerDriver) await move(address, formerDriver)
      // Also where nothing moved: an earlier attempt may have come no further than naming vfio-pci.
      if (formerDriver !== vfio) await clearOverride(address)
      const driver = await readDriver(address)
      if (driver === vfio && formerDriver !== vfio) {
        throw new PassthroughError('BIND_FAILED', `Device ${address} does not leave vfio-pci: who holds it?`)
      }
      // A driver that was unloaded since is the host's own affair; the guest has let go.
      if (driver === formerDriver) log.info({ address, driver }, 'A device is back with the host.')
      else log.warn({ address, driver, formerDriver }, 'A device did not go back to its former driver.')
    },
  }
}
