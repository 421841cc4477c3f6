// What a plan has to know of the host beneath a guest with passed-through devices. Facts alone: who has what is asked apart.

export interface HostHardware {
  /** As processors call themselves: GenuineIntel, AuthenticAMD. */
  readonly cpuVendor: string
  /** NUMA nodes that have CPUs, in the order of their ids. */
  readonly cells: readonly HostCell[]
  /** By PCI address, such as 0000:3b:00.0. */
  readonly devices: ReadonlyMap<string, HostDevice>
}

export interface HostCell {
  readonly nodeId: number
  /** The logical CPUs of each core: one, or two where its threads are on. */
  readonly cores: readonly (readonly number[])[]
  readonly memoryMib: number
  readonly hugepages: readonly HugepagePool[]
}

export interface HugepagePool {
  /** 2 or 1024. */
  readonly pageMib: number
  readonly totalPages: number
  readonly freePages: number
}

export interface HostDevice {
  /** -1 where the kernel doesn't say. */
  readonly numaNode: number
  readonly bars: readonly DeviceBar[]
  /** Bridges above the device, the one at the root complex first; empty where it is at the root itself. */
  readonly path: readonly string[]
}

/** A region of a device's memory that the guest sees. */
export interface DeviceBar {
  readonly bytes: number
  readonly is64Bit: boolean
  readonly isPrefetchable: boolean
}

/** What other guests have been promised of this host. */
export interface HeldByOthers {
  readonly cpus: ReadonlySet<number>
  /** By NUMA node. */
  readonly memoryMib: ReadonlyMap<number, number>
}

export const nothingHeld: HeldByOthers = { cpus: new Set(), memoryMib: new Map() }

export const cpusOf = (cell: HostCell): readonly number[] => cell.cores.flat()

export const cellOf = (hardware: HostHardware, nodeId: number): HostCell => {
  const cell = hardware.cells.find((one) => one.nodeId === nodeId)
  if (!cell) throw new Error(`The host has no NUMA node ${nodeId}.`)
  return cell
}
