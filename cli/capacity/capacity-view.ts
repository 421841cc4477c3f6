import { type GpuCapacity, shortName } from '../client/resources.ts'
import type { Rendering } from '../output/format.ts'

/** Loaded when a table is wanted. */
const tables = () => import('../output/table.ts')

/** A line for each zone and type; the last columns say how many requests of each size would fit. */
export const capacityTable: Rendering<readonly GpuCapacity[]> = {
  table: async (capacity) => {
    if (capacity.length === 0) return 'No types of GPUs.'
    const { renderTable } = await tables()
    const sizes = [...new Set(capacity.flatMap(({ placeable }) => placeable.map(({ gpus }) => gpus)))]
    sizes.sort((a, b) => b - a)
    return renderTable(
      [
        ...['ZONE', 'GPU', 'HOSTS', 'GPUS', 'TAKEN', 'FREE', 'STRANDED', 'LARGEST'],
        ...sizes.map((size) => `FIT ${size}`),
      ],
      capacity.map(({ zone, acceleratorType, hosts, gpus, placeable, largestPlaceable }) => [
        ...[shortName(zone), shortName(acceleratorType)],
        hosts.ready === hosts.total ? String(hosts.total) : `${hosts.ready} of ${hosts.total}`,
        ...[gpus.total, gpus.claimed, gpus.free, gpus.stranded, largestPlaceable].map(String),
        ...sizes.map((size) => String(placeable.find((one) => one.gpus === size)?.requests ?? '-')),
      ]),
    )
  },
  names: (capacity) => capacity.map(({ acceleratorType }) => acceleratorType),
}
