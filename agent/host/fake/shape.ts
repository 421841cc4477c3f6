// What a simulated host is made of, and the short way to say it: '8xnvidia-h100-80gb', '' for a host without GPUs,
// '8xnvidia-h100-80gb+nvswitch' where a board with NVSwitches joins them.
import { knownAccelerators } from '../../../proto/accelerators.ts'
import { boardOf, type FakeFabricOptions } from './fake-fabric.ts'

export interface FakePciDevice {
  readonly address: string
  readonly vendorId: string
  readonly deviceId: string
  readonly class: string
  readonly numaNode: number
  readonly iommuGroup: string
  /** What the kernel binds it to when nobody says otherwise; '' for none. */
  readonly nativeDriver: string
  /** Addresses of the bridges above, the root port first. */
  readonly bridges?: readonly string[]
  readonly bars?: readonly FakeBar[]
  /** Lanes of its link, at 32.0 GT/s. */
  readonly lanes?: number
  readonly resetMethods?: readonly string[]
}

/** Memory, 64-bit and prefetchable but where it says otherwise. */
export interface FakeBar {
  readonly index: number
  readonly sizeBytes: number
  readonly is32Bit?: boolean
}

export interface HostShape {
  /** Logical: two to a core. */
  readonly cpus: number
  /** Each a NUMA node with as many CPUs and as much memory as the others. Default 1. */
  readonly sockets?: number
  readonly memoryMib: number
  readonly diskBytes: number
  readonly devices: readonly FakePciDevice[]
  /** What joins its GPUs. */
  readonly fabric?: FakeFabricOptions
  /** Further files under /sys and /proc. */
  readonly attributes: Readonly<Record<string, string>>
}

const mebibyte = 1024 ** 2
const gibibyte = 1024 ** 3

const hopperBars = (memoryWindowGib: number): readonly FakeBar[] => [
  { index: 0, sizeBytes: 16 * mebibyte },
  { index: 2, sizeBytes: memoryWindowGib * gibibyte },
  { index: 4, sizeBytes: 32 * mebibyte },
]

/** Their registers are below 4 GiB. */
const earlierBars = (memoryWindowGib: number): readonly FakeBar[] => [
  { index: 0, sizeBytes: 16 * mebibyte, is32Bit: true },
  { index: 1, sizeBytes: memoryWindowGib * gibibyte },
  { index: 3, sizeBytes: 32 * mebibyte },
]

/** Windows of the accelerators that can be simulated, by accelerator type. */
const simulated: Readonly<Record<string, readonly FakeBar[]>> = {
  'nvidia-h100-80gb': hopperBars(128),
  'nvidia-h200-141gb': hopperBars(256),
  'nvidia-a100-80gb': earlierBars(128),
  'nvidia-l40s': earlierBars(64),
}

/** An HGX-like host: two sockets, the GPUs spread over both, each alone in its IOMMU group. */
export function parseShape(text: string): HostShape {
  const match = /^(?:(\d{1,2})x([a-z0-9-]+)(\+nvswitch)?)?$/.exec(text)
  if (!match) throw new Error(`Shape '${text}' is not COUNTxTYPE, such as 8xnvidia-h100-80gb.`)
  const count = Number(match[1] ?? 0)
  const type = match[2] ?? ''
  const bars = simulated[type] ?? []
  const [id = ''] = knownAccelerators.find((known) => known.type === type)?.pciIds ?? []
  if (type !== '' && !(type in simulated)) {
    throw new Error(`Shape '${text}': no simulated ${type}; there are ${Object.keys(simulated).join(', ')}.`)
  }
  const devices = Array.from({ length: count }, (_, index) => gpuAt({ index, count, id, bars }))
  return {
    ...(match[3] === undefined ? {} : { fabric: boardOf(devices.map(({ address }) => address)) }),
    cpus: count > 0 ? 192 : 64,
    sockets: 2,
    memoryMib: count > 0 ? 2 * 1024 * 1024 : 256 * 1024,
    diskBytes: 30e12,
    devices,
    attributes: { 'sys/module/vfio_pci/version': '0.2', 'sys/class/net/eth0/mtu': '1500' },
  }
}

function gpuAt(gpu: { index: number; count: number; id: string; bars: readonly FakeBar[] }): FakePciDevice {
  const { index, bars } = gpu
  const [vendorId = '', deviceId = ''] = gpu.id.split(':')
  const switchBus = 0x10 + Math.floor(index / 2) * 0x20
  return {
    address: `0000:${hexByte(0x1b + index * 0x10)}:00.0`,
    vendorId,
    deviceId,
    class: '030200',
    numaNode: index < Math.ceil(gpu.count / 2) ? 0 : 1,
    iommuGroup: String(40 + index),
    nativeDriver: '',
    // Two to a switch: a root port, the port above the switch and one of those below it.
    bridges: [
      `0000:${hexByte(switchBus)}:01.0`,
      `0000:${hexByte(switchBus + 1)}:00.0`,
      `0000:${hexByte(switchBus + 2)}:0${index % 2}.0`,
    ],
    bars,
    lanes: 16,
    resetMethods: ['flr', 'bus'],
  }
}

const hexByte = (value: number) => value.toString(16).padStart(2, '0')
