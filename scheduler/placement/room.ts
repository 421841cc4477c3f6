/** What a host has free; of several hosts, the most that any has of each. Nothing below such a bound needs a look. */
export interface Room {
  freeVcpus: number
  freeMemoryMib: number
  /** Of both at once: who has much of the one has often little of the other, and the bounds above don't tell. */
  freeBoth: number
  freeMoreVcpus: number
  freeMoreMemory: number
  freeDiskGb: number
  /** The most free GPUs of one type on one NUMA node, and below one switch. */
  freeOnNode: number
  freeBelowSwitch: number
  /** A bit for each size of which a partition is free. */
  freePartitions: number
  /** 1 where nobody is there. */
  empty: number
}

export const emptyRoom = (): Room => ({
  freeVcpus: 0,
  freeMemoryMib: 0,
  freeBoth: 0,
  freeMoreVcpus: 0,
  freeMoreMemory: 0,
  freeDiskGb: 0,
  freeOnNode: 0,
  freeBelowSwitch: 0,
  freePartitions: 0,
  empty: 0,
})

export function clear(room: Room): void {
  room.freeVcpus = 0
  room.freeMemoryMib = 0
  room.freeBoth = 0
  room.freeMoreVcpus = 0
  room.freeMoreMemory = 0
  room.freeDiskGb = 0
  room.freeOnNode = 0
  room.freeBelowSwitch = 0
  room.freePartitions = 0
  room.empty = 0
}

/**
 * What has both has as much of their product, and of the products in which one of them counts twice. As logarithms, for
 * they add up; whole, for those are quickest to compare.
 */
export function countBoth(room: Room): void {
  const vcpus = logOf(room.freeVcpus)
  const memory = logOf(room.freeMemoryMib)
  room.freeBoth = vcpus + memory
  room.freeMoreVcpus = 2 * vcpus + memory
  room.freeMoreMemory = vcpus + 2 * memory
}

const logOf = (amount: number) => (amount > 0 ? Math.floor(64 * Math.log2(amount + 1)) : 0)

export const covers = (room: Readonly<Room>, need: Readonly<Room>): boolean =>
  room.freeVcpus >= need.freeVcpus &&
  room.freeMemoryMib >= need.freeMemoryMib &&
  room.freeBoth >= need.freeBoth &&
  room.freeMoreVcpus >= need.freeMoreVcpus &&
  room.freeMoreMemory >= need.freeMoreMemory &&
  room.freeDiskGb >= need.freeDiskGb &&
  room.freeOnNode >= need.freeOnNode &&
  room.freeBelowSwitch >= need.freeBelowSwitch &&
  (room.freePartitions & need.freePartitions) === need.freePartitions &&
  room.empty >= need.empty

/** `room` becomes the bound of both. */
export function widen(room: Room, other: Readonly<Room>): void {
  if (other.freeVcpus > room.freeVcpus) room.freeVcpus = other.freeVcpus
  if (other.freeMemoryMib > room.freeMemoryMib) room.freeMemoryMib = other.freeMemoryMib
  if (other.freeBoth > room.freeBoth) room.freeBoth = other.freeBoth
  if (other.freeMoreVcpus > room.freeMoreVcpus) room.freeMoreVcpus = other.freeMoreVcpus
  if (other.freeMoreMemory > room.freeMoreMemory) room.freeMoreMemory = other.freeMoreMemory
  if (other.freeDiskGb > room.freeDiskGb) room.freeDiskGb = other.freeDiskGb
  if (other.freeOnNode > room.freeOnNode) room.freeOnNode = other.freeOnNode
  if (other.freeBelowSwitch > room.freeBelowSwitch) room.freeBelowSwitch = other.freeBelowSwitch
  room.freePartitions |= other.freePartitions
  if (other.empty > room.empty) room.empty = other.empty
}
