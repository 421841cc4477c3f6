/** What a host has free; of several hosts, the most that any has of each. Nothing below such a bound needs a look. */
export interface Room {
  freeVcpus: number
  freeMemoryMib: number
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
  ...{ freeVcpus: 0, freeMemoryMib: 0, freeDiskGb: 0 },
  ...{ freeOnNode: 0, freeBelowSwitch: 0, freePartitions: 0, empty: 0 },
})

export const covers = (room: Readonly<Room>, need: Readonly<Room>): boolean =>
  room.freeVcpus >= need.freeVcpus &&
  room.freeMemoryMib >= need.freeMemoryMib &&
  room.freeDiskGb >= need.freeDiskGb &&
  room.freeOnNode >= need.freeOnNode &&
  room.freeBelowSwitch >= need.freeBelowSwitch &&
  (room.freePartitions & need.freePartitions) === need.freePartitions &&
  room.empty >= need.empty

/** `room` becomes the bound of both. */
export function widen(room: Room, other: Readonly<Room>): void {
  if (other.freeVcpus > room.freeVcpus) room.freeVcpus = other.freeVcpus
  if (other.freeMemoryMib > room.freeMemoryMib) room.freeMemoryMib = other.freeMemoryMib
  if (other.freeDiskGb > room.freeDiskGb) room.freeDiskGb = other.freeDiskGb
  if (other.freeOnNode > room.freeOnNode) room.freeOnNode = other.freeOnNode
  if (other.freeBelowSwitch > room.freeBelowSwitch) room.freeBelowSwitch = other.freeBelowSwitch
  room.freePartitions |= other.freePartitions
  if (other.empty > room.empty) room.empty = other.empty
}
