import { create } from '@bufbuild/protobuf'
import type { HostCell, HostDevice, HostHardware } from '../../../agent/plan/host-hardware.ts'
import { divideGuest } from '../../../proto/cell-shares.ts'
import type { InstanceSpec } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  CellShareSchema,
  DiskInterface,
  type Firmware,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'

const mib = 1024 ** 2
const coresEach = 48
const memoryMibEach = 1024 * 1024

/** As an H100 with 80 GB has them. */
export const h100Bars = [
  { bytes: 16 * mib, is64Bit: true, isPrefetchable: true },
  { bytes: 128 * 1024 * mib, is64Bit: true, isPrefetchable: true },
  { bytes: 32 * mib, is64Bit: true, isPrefetchable: true },
]

export interface HgxOptions {
  readonly hasHugepages?: boolean
  readonly isNumaKnown?: boolean
  readonly cpuVendor?: string
}

/** Two cells with four GPUs each, in pairs under a switch, each switch at a root complex of its own. */
export function hgxHost(options: HgxOptions = {}): HostHardware {
  const { hasHugepages = true, isNumaKnown = true, cpuVendor = 'GenuineIntel' } = options
  const cell = (nodeId: number): HostCell => ({
    nodeId,
    cores: Array.from({ length: coresEach }, (_, index) => {
      const first = nodeId * coresEach + index
      return [first, first + 2 * coresEach]
    }),
    memoryMib: memoryMibEach,
    hugepages: [{ pageMib: 1024, totalPages: hasHugepages ? 960 : 0, freePages: hasHugepages ? 960 : 0 }],
  })
  return { cpuVendor, cells: [cell(0), cell(1)], devices: new Map(gpus(isNumaKnown)) }
}

/** Of the eight GPUs, in the host's order. */
export const gpuAddresses = Array.from({ length: 8 }, (_, index) => gpuAddress(index))

function gpuAddress(index: number): string {
  return `0000:${(0x1b + 0x10 * index).toString(16)}:00.0`
}

function gpus(isNumaKnown: boolean): readonly (readonly [string, HostDevice])[] {
  return gpuAddresses.map((address, index) => {
    const pair = Math.floor(index / 2)
    const root = `0000:${(0x16 + 0x20 * pair).toString(16)}`
    const numaNode = isNumaKnown ? Math.floor(index / 4) : -1
    const path = [`${root}:01.0`, `${root.slice(0, 5)}${(0x17 + 0x20 * pair).toString(16)}:00.0`]
    return [address, { numaNode, bars: h100Bars, path }]
  })
}

/** An eighth of the host for each of its GPUs. */
export function guestOfGpus(count: number, first = 0, image?: { firmware: Firmware }): InstanceSpec {
  return specOf({
    vcpus: 22 * count,
    memoryMib: 200 * 1024 * count,
    disks: [
      {
        ...{ deviceName: 'disk0', sizeGb: 100, boot: true, interface: DiskInterface.VIRTIO },
        ...(image ? { image } : {}),
      },
    ],
    nics: [
      {
        ...{ name: 'nic0', macAddress: '02:00:00:00:00:01', ipv4Address: '10.0.0.2' },
        network: { uid: 'n', mtu: 1450 },
      },
    ],
    gpus: gpuAddresses.slice(first, first + count).map((address) => ({ type: 'nvidia-h100-80gb', address })),
  })
}

/** As the scheduler tells of a guest that is in even parts on these nodes. */
export function toldIn(spec: InstanceSpec, ...nodeIds: readonly number[]): InstanceSpec {
  const parts = divideGuest(spec, nodeIds.length) ?? []
  const cells = parts.map((part, index) =>
    create(CellShareSchema, { numaNode: nodeIds[index] ?? 0, ...part }),
  )
  return { ...spec, cells }
}
