// Moves PCI functions between their own drivers and vfio-pci, by driver_override alone: new_id would catch every device of
// a kind. In: a PCI address. Out: a device that a guest's user may open, one that is as before, or a refusal that names
// what is in the way. Every write is a program of its own with a deadline: one that hangs in the kernel hangs alone.
import type { Logger } from '../../../lib/log.ts'
import type { PciAddress } from '../../../proto/ids.ts'
import type { Files, Sysfs } from '../../host/ports.ts'
import { findFault, readHealth } from './health.ts'
import { findHolders } from './holders.ts'
import { type PassthroughDriver, PassthroughError } from './port.ts'
import { ScrubError, type Scrubs } from './scrubs.ts'
import { DeviceWriteError, type DeviceWrites } from './writes.ts'

const pci = 'sys/bus/pci'
const vfio = 'vfio-pci'
/** Drivers under which other members of a group take no part in DMA. */
const harmlessDrivers = new Set(['', vfio, 'pcieport', 'pci-stub'])

export function createSysfsPassthrough(options: {
  sysfs: Sysfs
  writes: DeviceWrites
  files: Files
  log: Logger
  /** Absent where the operator has no program that empties a device. */
  scrubs?: Scrubs | undefined
}): PassthroughDriver {
  const { sysfs, writes, files, log, scrubs } = options
  const at = (address: PciAddress, attribute: string) => `${pci}/devices/${address}/${attribute}`
  const isPresent = async (address: PciAddress) => (await sysfs.read(at(address, 'vendor'))) !== undefined

  const readDriver = async (address: PciAddress) => {
    if (!(await isPresent(address))) {
      throw new PassthroughError('DEVICE_MISSING', `Device ${address} is not on this host any more.`)
    }
    return (await sysfs.readLinkName(at(address, 'driver'))) ?? ''
  }

  const groupOf = (address: PciAddress) => sysfs.readLinkName(at(address, 'iommu_group'))

  const requireOwnGroup = async (address: PciAddress): Promise<string> => {
    const group = await groupOf(address)
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

  const requireNobody = async (address: PciAddress, driver: string, group: string) => {
    const holders = await findHolders(sysfs, { address, driver, group })
    if (holders.length === 0) return
    throw new PassthroughError(
      'DEVICE_HELD',
      `Device ${address} is in use on the host by ${holders.join(', ')}: end that, and it can go to a guest.`,
    )
  }

  const requireBindable: PassthroughDriver['requireBindable'] = async (address, ownerUid) => {
    const driver = await readDriver(address)
    const group = await requireOwnGroup(address)
    const holder = (await files.stat(`/dev/vfio/${group}`))?.uid ?? 0
    if (holder !== 0 && holder !== ownerUid) {
      throw new PassthroughError(
        'IOMMU_GROUP_SHARED',
        `Device ${address} is in IOMMU group ${group}, which another guest has (user ${holder}).`,
      )
    }
    // Its own guest's, which an earlier agent has started.
    if (driver === vfio && holder === ownerUid) return
    if ((await sysfs.list(`${pci}/drivers/${vfio}`)).length === 0) {
      throw new PassthroughError('NO_VFIO', 'This host has no vfio-pci: load the module vfio-pci.')
    }
    await requireNobody(address, driver, group)
  }

  const write = (address: PciAddress, attribute: string, value: string) =>
    writes.write(address, at(address, attribute), value)

  /** From whatever has it to `driver`; '' leaves it to none. */
  const move = async (address: PciAddress, driver: string, reason: 'BIND_FAILED' | 'RELEASE_FAILED') => {
    const current = await readDriver(address)
    try {
      if (driver !== '') await write(address, 'driver_override', driver)
      if (current !== '' && current !== driver) await write(address, 'driver/unbind', address)
      if (driver !== '') await writes.write(address, `${pci}/drivers_probe`, address)
    } catch (cause) {
      if (!(cause instanceof DeviceWriteError)) throw cause
      const holders = await findHolders(sysfs, { address, driver: current, group: await groupOf(address) })
      const who = holders.length > 0 ? `; ${holders.join(', ')} has it open` : ''
      const from = current === '' ? 'no driver' : current
      const what = `Device ${address} could not be moved from ${from} to ${driver || 'none'}`
      const message = `${what}: ${cause.message}${who}.`
      throw new PassthroughError(reason, message, { cause })
    }
  }

  return {
    isPresent,
    readDriver,
    requireBindable,
    readHealth: (address) => readHealth(sysfs, address),
    ensureBound: async (address, ownerUid) => {
      await requireBindable(address, ownerUid)
      const driver = await readDriver(address)
      if (driver !== vfio) {
        await move(address, vfio, 'BIND_FAILED')
        const bound = await readDriver(address)
        if (bound !== vfio) {
          throw new PassthroughError(
            'BIND_FAILED',
            `Device ${address} did not go to vfio-pci but ${bound === '' ? 'has no driver' : `to ${bound}`}.`,
          )
        }
        log.info({ address, formerDriver: driver }, 'A device is ready for a guest.')
      }
      const device = `/dev/vfio/${await groupOf(address)}`
      if (await files.stat(device)) await files.changeOwner(device, { uid: ownerUid, gid: 0 })
    },
    reset: async (address) => {
      try {
        await readDriver(address)
        await write(address, 'reset', '1')
      } catch (cause) {
        if (!(cause instanceof DeviceWriteError)) throw cause
        const methods = await sysfs.read(at(address, 'reset_method'))
        const how = methods === undefined || methods === '' ? ': the kernel knows no way to reset it' : ''
        const message = `Device ${address} could not be reset${how} (${cause.message}).`
        throw new PassthroughError('RESET_FAILED', message, { cause })
      }
    },
    scrub: async (address, sinceUnixMs) => {
      if (scrubs === undefined) return false
      try {
        await scrubs.scrub(address, sinceUnixMs)
        return true
      } catch (cause) {
        if (!(cause instanceof ScrubError)) throw cause
        const message = `What the last guest has left in device ${address} could not be removed: ${cause.message}.`
        throw new PassthroughError('SCRUB_FAILED', message, { cause })
      }
    },
    verify: async (address, before) => {
      const fault = await findFault(sysfs, address, before)
      if (fault === undefined) return
      throw new PassthroughError('VERIFY_FAILED', `Device ${address} is not as before its guest: ${fault}.`)
    },
    ensureReleased: async (address, formerDriver) => {
      // Pulled out of the host: nothing of it is left to give back.
      if (!(await isPresent(address))) return
      const device = `/dev/vfio/${await groupOf(address)}`
      if (await files.stat(device)) await files.changeOwner(device, { uid: 0, gid: 0 })
      if ((await readDriver(address)) !== formerDriver) await move(address, formerDriver, 'RELEASE_FAILED')
      // Also where nothing moved: an earlier attempt may have come no further than naming vfio-pci.
      if (formerDriver !== vfio) await write(address, 'driver_override', '\n')
      const driver = await readDriver(address)
      if (driver === vfio && formerDriver !== vfio) {
        throw new PassthroughError('RELEASE_FAILED', `Device ${address} does not leave vfio-pci.`)
      }
      // A driver that was unloaded since is the host's own affair; the guest has let go.
      if (driver === formerDriver) log.info({ address, driver }, 'A device is back with the host.')
      else log.warn({ address, driver, formerDriver }, 'A device did not go back to its former driver.')
    },
  }
}
