// What a simulated host is made of, and the short way to say it: '8xnvidia-h100-80gb', '' for a host without GPUs.

export interface FakePciDevice {
  readonly address: string
  readonly vendorId: string
  readonly deviceId: string
  readonly class: string
  readonly numaNode: number
  readonly iommuGroup: string
  /** What the kernel binds it to when nobody says otherwise; '' for none. */
  readonly nativeDriver: string
}

export interface HostShape {
  readonly cpus: number
  readonly memoryMib: number
  readonly diskBytes: number
  readonly devices: readonly FakePciDevice[]
  /** Further files under /sys and /proc. */
  readonly attributes: Readonly<Record<string, string>>
}

/** PCI ids of accelerator types by name, from the public PCI id list. */
const deviceIds: Readonly<Record<string, string>> = {
  'nvidia-h100-80gb': '10de:2330',
  'nvidia-h200-141gb': '10de:2335',
  'nvidia-a100-80gb': '10de:20b5',
  'nvidia-l40s': '10de:26b9',
}

/** An HGX-like host: two sockets, the GPUs spread over both, each alone in its IOMMU group. */
export function parseShape(text: string): HostShape {
  const match = /^(?:(\d{1,2})x([a-z0-9-]+))?$/.exec(text)
  if (!match) throw new Error(`Shape '${text}' is not COUNTxTYPE, such as 8xnvidia-h100-80gb.`)
  const count = Number(match[1] ?? 0)
  const type = match[2]
  const id = type === undefined ? undefined : deviceIds[type]
  if (type !== undefined && id === undefined) {
    throw new Error(`Shape '${text}': no simulated ${type}; there are ${Object.keys(deviceIds).join(', ')}.`)
  }
  return {
    cpus: count > 0 ? 192 : 64,
    memoryMib: count > 0 ? 2 * 1024 * 1024 : 256 * 1024,
    diskBytes: 30e12,
    devices: Array.from({ length: count }, (_, index) => gpuAt({ index, count, id: id ?? '' })),
    attributes: { 'sys/module/vfio_pci/version': '0.2', 'sys/class/net/eth0/mtu': '1500' },
  }
}

function gpuAt(gpu: { index: number; count: number; id: string }): FakePciDevice {
  const [vendorId = '', deviceId = ''] = gpu.id.split(':')
  const bus = (0x1b + gpu.index * 0x10).toString(16).padStart(2, '0')
  return {
    address: `0000:${bus}:00.0`,
    vendorId,
    deviceId,
    class: '030200',
    numaNode: gpu.index < Math.ceil(gpu.count / 2) ? 0 : 1,
    iommuGroup: String(40 + gpu.index),
    nativeDriver: '',
  }
}
