import type { GpuTopology, HostDevice } from '../model/placement.ts'

type PlaceOf = (device: HostDevice) => number | string | undefined

/** Undefined where nobody knows: such a device is near to none but itself. */
export const numaNodeOf: PlaceOf = ({ numaNode }) => (numaNode < 0 ? undefined : numaNode)
export const switchOf: PlaceOf = ({ switchId }) => switchId

/** Where devices have to agree. */
export const placeOf: Readonly<Record<GpuTopology, PlaceOf | undefined>> = {
  any: undefined,
  'same-numa': numaNodeOf,
  'same-switch': switchOf,
  fabric: undefined,
}

/** How many of the devices are in the place that has most of them. */
export function largestGroup(devices: readonly HostDevice[], of: PlaceOf): number {
  let largest = devices.length > 0 ? 1 : 0
  for (let index = 0; index + largest < devices.length; index += 1) {
    const place = of(devices[index] as HostDevice)
    if (place === undefined) continue
    let size = 1
    for (let other = index + 1; other < devices.length; other += 1) {
      if (of(devices[other] as HostDevice) === place) size += 1
    }
    if (size > largest) largest = size
  }
  return largest
}

/** One device is near to itself, wherever it is. */
export function areTogether(devices: readonly HostDevice[], topology: GpuTopology): boolean {
  const of = placeOf[topology]
  if (of === undefined || devices.length < 2) return true
  return largestGroup(devices, of) === devices.length
}
