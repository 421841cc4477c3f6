import type { Sysfs } from '../host/ports.ts'

const leastReservedMib = 1024
const mostReservedMib = 32 * 1024

/** The memory that guests may use: a tenth stays with the host, within bounds. */
export function planMemoryShare(memoryMib: number, reservedMemoryMib?: number): number {
  const tenth = Math.ceil(memoryMib / 10)
  const reserved = reservedMemoryMib ?? Math.min(Math.max(tenth, leastReservedMib), mostReservedMib)
  return Math.max(0, memoryMib - reserved)
}

/** What the kernel has; undefined where it doesn't say. */
export async function readMemoryMib(sysfs: Sysfs): Promise<number | undefined> {
  const totalKib = /^MemTotal:\s+(\d+) kB/m.exec((await sysfs.read('proc/meminfo')) ?? '')?.[1]
  return totalKib === undefined ? undefined : Math.floor(Number(totalKib) / 1024)
}
