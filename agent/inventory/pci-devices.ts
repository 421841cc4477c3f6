import { create } from '@bufbuild/protobuf'
import { type PciDevice, PciDeviceSchema } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { Sysfs } from '../host/ports.ts'

const devicesDirectory = 'sys/bus/pci/devices'

// Display controllers and processing accelerators: some makers' accelerators call themselves the latter.
const acceleratorClasses = ['03', '12']

/** The devices that may be given to guests, by address. */
export async function readPciDevices(sysfs: Sysfs): Promise<PciDevice[]> {
  const addresses = await sysfs.list(devicesDirectory)
  const devices = await Promise.all(addresses.map((address) => readPciDevice(sysfs, address)))
  return devices.filter((device) => device !== undefined)
}

async function readPciDevice(sysfs: Sysfs, address: string): Promise<PciDevice | undefined> {
  const base = `${devicesDirectory}/${address}`
  const deviceClass = parseHex(await sysfs.read(`${base}/class`), 6)
  if (deviceClass === undefined || !acceleratorClasses.includes(deviceClass.slice(0, 2))) return undefined
  const vendorId = parseHex(await sysfs.read(`${base}/vendor`), 4)
  const deviceId = parseHex(await sysfs.read(`${base}/device`), 4)
  // It went away while it was read.
  if (vendorId === undefined || deviceId === undefined) return undefined
  return create(PciDeviceSchema, {
    address,
    vendorId,
    deviceId,
    class: deviceClass,
    numaNode: parseNumaNode(await sysfs.read(`${base}/numa_node`)),
    iommuGroup: (await sysfs.readLinkName(`${base}/iommu_group`)) ?? '',
    driver: (await sysfs.readLinkName(`${base}/driver`)) ?? '',
  })
}

/** '0x10DE' → '10de' */
function parseHex(text: string | undefined, digits: number): string | undefined {
  const hex = /^0x([0-9a-f]+)$/i.exec(text ?? '')?.[1]
  return hex?.toLowerCase().padStart(digits, '0')
}

function parseNumaNode(text: string | undefined): number {
  return text !== undefined && /^\d+$/.test(text) ? Number(text) : -1
}
