import type { GpuCapacity } from '../placement/capacity.ts'
import type { OperationPorts } from './ports.ts'

export type { GpuCapacity }

/** Of every type of accelerator that there is in a zone, also where no host has any. By zone and type. */
export function readCapacity({
  fleet,
  catalogue,
}: Pick<OperationPorts, 'fleet' | 'catalogue'>): readonly GpuCapacity[] {
  const counted = fleet.capacity()
  const known = new Set(counted.map(keyOf))
  const declared = catalogue.zones.flatMap((zone) =>
    zone.acceleratorTypes.map(({ id }) => capacityOfNone(zone.id, id)),
  )
  return [...counted, ...declared.filter((one) => !known.has(keyOf(one)))].toSorted((a, b) =>
    keyOf(a) < keyOf(b) ? -1 : 1,
  )
}

const keyOf = ({ zone, type }: GpuCapacity) => `${zone} ${type}`

const capacityOfNone = (zone: string, type: string): GpuCapacity => ({
  ...{ zone, type, hosts: 0, readyHosts: 0, gpus: 0, claimed: 0, free: 0, kept: 0, unavailable: 0 },
  ...{ stranded: 0, placeable: [], largest: 0 },
})
