import type { FakeBar, FakePciDevice } from './shape.ts'

/** The kernel's files of a PCI function that nothing changes, by name. */
export function attributesOf(device: FakePciDevice): Readonly<Record<string, string>> {
  const { lanes, resetMethods = [] } = device
  return {
    vendor: `0x${device.vendorId}`,
    device: `0x${device.deviceId}`,
    class: `0x${device.class}`,
    numa_node: String(device.numaNode),
    resource: renderResource(device.bars ?? []),
    ...(resetMethods.length > 0 && { reset_method: resetMethods.join(' ') }),
    ...(lanes !== undefined && {
      current_link_speed: '32.0 GT/s PCIe',
      max_link_speed: '32.0 GT/s PCIe',
      current_link_width: String(lanes),
      max_link_width: String(lanes),
    }),
  }
}

/** pci0000:10 for a device below root port 0000:10:01.0; for one without bridges its own bus. */
export function rootBusOf({ bridges, address }: Pick<FakePciDevice, 'bridges' | 'address'>): string {
  return `pci${(bridges?.[0] ?? address).split(':').slice(0, 2).join(':')}`
}

const lineCount = 7
const unused = [0n, 0n, 0n]
const flags32Bit = 0x4_0200n
const flags64BitPrefetchable = 0x14_220cn
const lowest = { is32Bit: 0x8000_0000n, is64Bit: 0x100_0000_0000n }

/** Six lines for BARs and one for the ROM. Each window lies at a multiple of its size, as the bus wants it. */
function renderResource(bars: readonly FakeBar[]): string {
  const lines = Array.from({ length: lineCount }, (_, index) => {
    const bar = bars.find((one) => one.index === index)
    if (bar === undefined) return unused
    const size = BigInt(bar.sizeBytes)
    const from = (bar.is32Bit ? lowest.is32Bit : lowest.is64Bit) + size * BigInt(index)
    const start = ((from + size - 1n) / size) * size
    return [start, start + size - 1n, bar.is32Bit ? flags32Bit : flags64BitPrefetchable]
  })
  return lines
    .map((line) => line.map((value) => `0x${value.toString(16).padStart(16, '0')}`).join(' '))
    .join('\n')
}
