import { create, type MessageInitShape } from '@bufbuild/protobuf'
import {
  type IommuGroupMemberSchema,
  type PciDevice,
  PciDeviceSchema,
  type SriovSchema,
} from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { Sysfs } from '../host/ports.ts'
import { parseBars, parseBridges, parseHex, parseLink, parseNumaNode } from './pci-attributes.ts'

const devicesDirectory = 'sys/bus/pci/devices'

// Display controllers and processing accelerators: some makers' accelerators call themselves the latter.
const acceleratorClasses = ['03', '12']

// Storage, network, multimedia, communication, processors, USB, wireless, encryption: functions that do something by
// themselves. The rest belongs to the chipset and stays with the host.
const otherClasses = ['01', '02', '04', '07', '0b', '0c03', '0d', '10']

/** Calls itself a bridge and is none of PCI: an NVSwitch, but also the power management of some chipsets. */
const otherBridgeClass = '0680'

export interface PciDevices {
  readonly accelerators: readonly PciDevice[]
  readonly others: readonly PciDevice[]
}

/** The functions that may be given to guests, by address. */
export async function readPciDevices(sysfs: Sysfs): Promise<PciDevices> {
  const addresses = await sysfs.list(devicesDirectory)
  const devices = await Promise.all(addresses.map((address) => readPciDevice(sysfs, address)))
  const present = devices.filter((device) => device !== undefined)
  return {
    accelerators: present.filter(isAccelerator),
    others: present.filter((device) => !isAccelerator(device)),
  }
}

const isAccelerator = ({ class: deviceClass }: PciDevice) => startsWithAny(deviceClass, acceleratorClasses)

async function readPciDevice(sysfs: Sysfs, address: string): Promise<PciDevice | undefined> {
  const base = `${devicesDirectory}/${address}`
  const read = (attribute: string) => sysfs.read(`${base}/${attribute}`)
  const deviceClass = parseHex(await read('class'), 6)
  if (deviceClass === undefined) return undefined
  const isBehindPort = async () => parseBridges(await sysfs.readLink(base)).length > 0
  const isKnown = startsWithAny(deviceClass, [...acceleratorClasses, ...otherClasses])
  if (!isKnown && !(deviceClass.startsWith(otherBridgeClass) && (await isBehindPort()))) return undefined
  const vendorId = parseHex(await read('vendor'), 4)
  const deviceId = parseHex(await read('device'), 4)
  // It went away while it was read.
  if (vendorId === undefined || deviceId === undefined) return undefined
  const iommuGroup = (await sysfs.readLinkName(`${base}/iommu_group`)) ?? ''
  const link = parseLink({
    currentSpeed: await read('current_link_speed'),
    maximumSpeed: await read('max_link_speed'),
    currentWidth: await read('current_link_width'),
    maximumWidth: await read('max_link_width'),
  })
  const sriov = await readSriov(sysfs, base)
  return create(PciDeviceSchema, {
    address,
    vendorId,
    deviceId,
    class: deviceClass,
    numaNode: parseNumaNode(await read('numa_node')),
    iommuGroup,
    iommuGroupOthers: iommuGroup === '' ? [] : await readGroupOthers(sysfs, iommuGroup, address),
    driver: await readDriver(sysfs, address),
    bridges: parseBridges(await sysfs.readLink(base)),
    bars: parseBars(await read('resource')),
    resetMethods: ((await read('reset_method')) ?? '').split(/\s+/).filter((method) => method !== ''),
    ...(link && { link }),
    ...(sriov && { sriov }),
  })
}

async function readGroupOthers(
  sysfs: Sysfs,
  group: string,
  own: string,
): Promise<MessageInitShape<typeof IommuGroupMemberSchema>[]> {
  const members = await sysfs.list(`sys/kernel/iommu_groups/${group}/devices`)
  const others = members.filter((address) => address !== own)
  return Promise.all(others.map(async (address) => ({ address, driver: await readDriver(sysfs, address) })))
}

const readDriver = async (sysfs: Sysfs, address: string) =>
  (await sysfs.readLinkName(`${devicesDirectory}/${address}/driver`)) ?? ''

async function readSriov(
  sysfs: Sysfs,
  base: string,
): Promise<MessageInitShape<typeof SriovSchema> | undefined> {
  const physicalFunction = await sysfs.readLinkName(`${base}/physfn`)
  if (physicalFunction !== undefined) return { physicalFunction }
  const total = await sysfs.read(`${base}/sriov_totalvfs`)
  if (total === undefined) return undefined
  return { totalFunctions: Number(total), functions: Number(await sysfs.read(`${base}/sriov_numvfs`)) }
}

const startsWithAny = (text: string, beginnings: readonly string[]) =>
  beginnings.some((beginning) => text.startsWith(beginning))
