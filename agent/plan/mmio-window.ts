// How much address space a guest's devices need above 4 GiB. Too little, and the firmware leaves a GPU without its memory;
// too much, and the CPU can't reach it.
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { HostDevice, HostHardware } from './host-hardware.ts'

/** What QEMU's q35 leaves by itself. */
const defaultMib = 32 * 1024
const bytesPerMib = 1024 ** 2
const mibPerTib = 1024 ** 2

/**
 * Each device is behind a bridge of its own, whose window begins at a multiple of its largest BAR: beside an H100's 128 GiB
 * its 32 MiB take it into the next 128. So a device counts with all its BARs rounded up to a power of two, which is twice
 * the sum for such a GPU. All of it is a power of two as well: OVMF aligns its window to its size. 0 where the default will do.
 */
export function planMmio64Mib(spec: Pick<InstanceSpec, 'gpus'>, { devices }: HostHardware): number {
  const bytes = spec.gpus.map(({ address }) => powerOfTwoFrom(highBytesOf(devices.get(address))))
  const mib = powerOfTwoFrom(bytes.reduce((sum, one) => sum + one, 0)) / bytesPerMib
  return mib > defaultMib ? mib : 0
}

/** What bridges let pass above 4 GiB: their window there is for prefetchable memory alone. */
function highBytesOf(device: HostDevice | undefined): number {
  const high = (device?.bars ?? []).filter((bar) => bar.is64Bit && bar.isPrefetchable)
  return high.reduce((sum, { bytes }) => sum + bytes, 0)
}

/** QEMU's emulated processors have 40. */
const emulatedPhysBits = 40
/** Where AMD processors keep addresses for HyperTransport; QEMU moves memory that would reach it above 1 TiB. */
const hyperTransportMib = 0xfd_0000_0000 / bytesPerMib

/**
 * Address bits of an emulated processor that reaches the end of the window, wherever a firmware puts it: memory, then the
 * window at a multiple of its size. A real processor shows its own, which reached all of these BARs on the host.
 */
export function planPhysBits(memoryMib: number, mmio64Mib: number): number {
  const below = 4 * 1024 + memoryMib
  const memoryEnd = below + mmio64Mib >= hyperTransportMib ? mibPerTib + memoryMib : below
  const start = mmio64Mib === 0 ? memoryEnd : Math.ceil(memoryEnd / mmio64Mib) * mmio64Mib
  return Math.max(emulatedPhysBits, Math.ceil(Math.log2((start + mmio64Mib) * bytesPerMib)))
}

const powerOfTwoFrom = (bytes: number) => (bytes === 0 ? 0 : 2 ** Math.ceil(Math.log2(bytes)))
