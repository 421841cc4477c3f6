import type { PciAddress } from '../../../proto/ids.ts'
import type { Sysfs } from '../../host/ports.ts'
import { type DeviceHealth, PassthroughError } from './port.ts'

const at = (address: PciAddress, attribute: string) => `sys/bus/pci/devices/${address}/${attribute}`

/** The part of the configuration space that every function has. */
const headerBytes = 64
// include/linux/ioport.h of the kernel.
const isMemory = 0x200n
const is64Bit = 0x10_0000n

export async function readHealth(sysfs: Sysfs, address: PciAddress): Promise<DeviceHealth> {
  const [vendor, device, resources, width] = await Promise.all(
    ['vendor', 'device', 'resource', 'current_link_width'].map((name) => sysfs.read(at(address, name))),
  )
  if (vendor === undefined || device === undefined) {
    throw new PassthroughError('DEVICE_MISSING', `Device ${address} is not on this host any more.`)
  }
  return {
    vendorId: vendor.replace(/^0x/, ''),
    deviceId: device.replace(/^0x/, ''),
    resources: resources ?? '',
    linkWidth: width ?? '',
  }
}

/**
 * What of a device is not as it was, as a sentence. The kernel remembers ids and windows: the device itself is asked, in
 * its configuration space, which is all ones where it does not answer and has no windows after a reset that failed.
 */
export async function findFault(
  sysfs: Sysfs,
  address: PciAddress,
  before: DeviceHealth,
): Promise<string | undefined> {
  const now = await readHealth(sysfs, address)
  const config = await sysfs.readBytes(at(address, 'config'), headerBytes)
  if (config === undefined || config.length < headerBytes) {
    return 'its configuration space can not be read'
  }
  const view = new DataView(config.buffer, config.byteOffset, config.byteLength)
  if (config.every((byte) => byte === 0xff)) return 'it answers nothing but ones: it has fallen off the bus'
  // A virtual function's own ids read as ones: the kernel has them from the physical one.
  const isVirtual = (await sysfs.readLinkName(at(address, 'physfn'))) !== undefined
  const ids = [view.getUint16(0, true), view.getUint16(2, true)].map((id) => id.toString(16).padStart(4, '0'))
  if (!isVirtual && ids.join(':') !== `${before.vendorId}:${before.deviceId}`) {
    return `it says that it is ${ids.join(':')}, and was ${before.vendorId}:${before.deviceId}`
  }
  if (now.resources !== before.resources) return 'its memory windows (BARs) are not where they were'
  const moved = isVirtual ? undefined : findMovedWindow(view, now.resources)
  if (moved !== undefined) return `its memory window (BAR) ${moved} is not where the kernel has put it`
  if (Number(now.linkWidth) < Number(before.linkWidth)) {
    return `its link has ${now.linkWidth} lanes, and had ${before.linkWidth}`
  }
  return undefined
}

/** The first of the six whose register doesn't hold what the kernel has assigned. */
function findMovedWindow(config: DataView, resources: string): number | undefined {
  const windows = resources.split('\n').slice(0, 6)
  for (const [index, line] of windows.entries()) {
    const [start = 0n, , flags = 0n] = line
      .trim()
      .split(/\s+/)
      .map((text) => (/^0x[0-9a-f]+$/i.test(text) ? BigInt(text) : 0n))
    if (start === 0n) continue
    const register = config.getUint32(0x10 + 4 * index, true)
    const low = BigInt((flags & isMemory ? register & ~0xf : register & ~0x3) >>> 0)
    const high = flags & is64Bit && index < 5 ? BigInt(config.getUint32(0x14 + 4 * index, true)) : 0n
    if ((high << 32n) + low !== start) return index
  }
  return undefined
}
