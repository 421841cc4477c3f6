// A PCI function in words, a column each.
import { findAccelerator, type KnownAccelerator, knownCompanions } from '../../proto/accelerators.ts'
import type { PciDevice } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { pciIdOf } from '../inventory/guest-accelerators.ts'
import { renderBytes } from './units.ts'

/** The longest beginning of a class counts. */
const kinds: Readonly<Record<string, string>> = {
  '01': 'storage',
  '0106': 'SATA',
  '0108': 'NVMe disk',
  '02': 'network',
  '0200': 'Ethernet',
  '0207': 'InfiniBand',
  '03': 'display',
  '0302': '3D controller',
  '04': 'multimedia',
  '0403': 'audio',
  '0680': 'bridge',
  '07': 'communication',
  '0b': 'processor',
  '0c03': 'USB',
  '0d': 'wireless',
  '10': 'encryption',
  '12': 'accelerator',
}

export type DeviceColumn = readonly [head: string, render: (device: PciDevice) => string]

const nothing = '-'
const orNothing = (text: string) => (text === '' ? nothing : text)

const commonColumns: readonly DeviceColumn[] = [
  ['NODE', ({ numaNode }) => (numaNode < 0 ? nothing : String(numaNode))],
  ['GROUP', groupOf],
  ['DRIVER', ({ driver }) => orNothing(driver)],
  ['LINK', linkOf],
]

const belowColumn: DeviceColumn = ['BELOW', ({ bridges }) => orNothing(bridges.map(shorten).join(' '))]

export const acceleratorColumns = (named: readonly KnownAccelerator[]): readonly DeviceColumn[] => [
  ['ADDRESS', ({ address }) => address],
  ['TYPE', (device) => findAccelerator(pciIdOf(device), named)?.type ?? kindOf(device)],
  ['PCI ID', pciIdOf],
  ['MEMORY', (device) => memoryOf(device, named)],
  ...commonColumns,
  [
    'WINDOWS',
    ({ bars }) => orNothing(bars.flatMap((bar) => (bar.isIo ? [] : renderBytes(bar.sizeBytes))).join(' ')),
  ],
  ['RESET', ({ resetMethods }) => orNothing(resetMethods.join(' '))],
  belowColumn,
]

export const otherColumns: readonly DeviceColumn[] = [
  ['ADDRESS', ({ address }) => address],
  ['KIND', kindWithName],
  ['PCI ID', pciIdOf],
  ...commonColumns,
  ['FUNCTIONS', functionsOf],
  belowColumn,
]

function kindOf({ class: deviceClass }: PciDevice): string {
  return kinds[deviceClass.slice(0, 4)] ?? kinds[deviceClass.slice(0, 2)] ?? deviceClass
}

function kindWithName(device: PciDevice): string {
  const name = knownCompanions[pciIdOf(device)]
  return name === undefined ? kindOf(device) : `${name}, ${kindOf(device)}`
}

function memoryOf(device: PciDevice, named: readonly KnownAccelerator[]): string {
  const known = findAccelerator(pciIdOf(device), named)
  return known === undefined ? nothing : `${known.memoryGb} GB`
}

/** Who shares the group is named, for they go where it goes. */
function groupOf({ iommuGroup, iommuGroupOthers }: PciDevice): string {
  if (iommuGroup === '') return nothing
  return iommuGroupOthers.length === 0
    ? iommuGroup
    : `${iommuGroup} with ${iommuGroupOthers.map(({ address }) => shorten(address)).join(' ')}`
}

/** What it could be in brackets, where that is more. */
function linkOf({ link }: PciDevice): string {
  if (link === undefined) return nothing
  const text = (speed: string, lanes: number) => `${speed.replace(/ PCIe$/, '')} x${lanes}`
  const current = text(link.currentSpeed, link.currentLanes)
  const maximum = text(link.maximumSpeed, link.maximumLanes)
  return current === maximum ? current : `${current} (of ${maximum})`
}

function functionsOf({ sriov }: PciDevice): string {
  if (sriov === undefined) return nothing
  return sriov.physicalFunction === ''
    ? `${sriov.functions} of ${sriov.totalFunctions}`
    : `of ${shorten(sriov.physicalFunction)}`
}

/** Most hosts have one domain. */
const shorten = (address: string) => address.replace(/^0000:/, '')
