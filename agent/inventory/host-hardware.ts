import type { Sysfs } from '../host/ports.ts'
import type { DeviceBar, HostCell, HostDevice, HostHardware } from '../plan/host-hardware.ts'
import { readCpuCells } from './cpu-cells.ts'
import { readPciDevices } from './pci-devices.ts'

/** What the plan of a guest with devices rests on, as of now: huge pages come and go. */
export async function readHostHardware(sysfs: Sysfs): Promise<HostHardware> {
  const [cells, { accelerators, others }, cpuinfo] = await Promise.all([
    readCpuCells(sysfs),
    readPciDevices(sysfs),
    sysfs.read('proc/cpuinfo'),
  ])
  return {
    cpuVendor: /^vendor_id\s*:\s*(\S+)/m.exec(cpuinfo ?? '')?.[1] ?? '',
    cells: cells
      .map(
        ({ numaNode, cores, memoryMib, hugepages }): HostCell => ({
          nodeId: numaNode,
          cores: cores.map(({ cpus }) => cpus),
          memoryMib: Number(memoryMib),
          hugepages: hugepages.map(({ pageKib, pages, freePages }) => ({
            pageMib: Number(pageKib) / 1024,
            totalPages: Number(pages),
            freePages: Number(freePages),
          })),
        }),
      )
      // Memory alone, as of an expander: no guest is bound to it.
      .filter(({ cores }) => cores.length > 0),
    devices: new Map(
      [...accelerators, ...others].map(({ address, numaNode, bars, bridges }): [string, HostDevice] => [
        address,
        {
          numaNode,
          path: bridges,
          bars: bars
            .filter(({ isIo }) => !isIo)
            .map(
              ({ sizeBytes, is64Bit, isPrefetchable }): DeviceBar => ({
                bytes: Number(sizeBytes),
                is64Bit,
                isPrefetchable,
              }),
            ),
        },
      ]),
    ),
  }
}
