import { type CapacityAdvice, type GpuCapacity, shortName } from '../client/resources.ts'
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
        ...['ZONE', 'GPU', 'HOSTS', 'GPUS', 'TAKEN', 'FREE', 'KEPT', 'OUT', 'STRANDED', 'LARGEST'],
        ...sizes.map((size) => `FIT ${size}`),
      ],
      capacity.map(({ zone, acceleratorType, hosts, gpus, placeable, largestPlaceable }) => [
        ...[shortName(zone), shortName(acceleratorType)],
        hosts.ready === hosts.total ? String(hosts.total) : `${hosts.ready} of ${hosts.total}`,
        ...[gpus.total, gpus.claimed, gpus.free, gpus.keptForProject, gpus.unavailable].map(String),
        ...[gpus.stranded, largestPlaceable].map(String),
        ...sizes.map((size) => String(placeable.find((one) => one.gpus === size)?.requests ?? '-')),
      ]),
    )
  },
  names: (capacity) => capacity.map(({ acceleratorType }) => acceleratorType),
}

export const adviceView: Rendering<CapacityAdvice> = {
  table: async ({ verdict, host = '', movedGpus, moves, hostsConsidered }) => {
    if (verdict === 'FITS') return `It fits as things are, on ${shortName(host)}.`
    if (verdict === 'NOTHING_HELPS') {
      if (hostsConsidered === 0)
        return 'Nothing helps: too few GPUs are free in the whole zone, or no host has as many.'
      return `Nothing helps: of ${hostsConsidered} hosts, none can be cleared so that all who leave find a place.`
    }
    const { renderTable } = await tables()
    const rows = moves.map(({ instance, gpus, to }) => [
      ...[projectOf(instance), shortName(instance), String(gpus), shortName(to)],
    ])
    return [
      `It fits on ${shortName(host)} once ${moves.length === 1 ? 'this instance is' : 'these instances are'} elsewhere, with ${movedGpus} GPUs:`,
      '',
      renderTable(['PROJECT', 'INSTANCE', 'GPUS', 'HAS ROOM ON'], rows),
      '',
      'Delete them, create the large one, then create them anew. What is on their own disks is lost.',
      'GPUs that nothing scrubs are kept for the project that leaves them (column KEPT of berth capacity).',
    ].join('\n')
  },
  names: ({ moves }) => moves.map(({ instance }) => instance),
}

/** /v1/regions/R/projects/P/compute/instances/I → P */
const projectOf = (instance: string) => instance.split('/')[5] ?? ''
