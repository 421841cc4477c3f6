import { problem } from '../errors.ts'
import type { AcceleratorType, Zone } from '../model/catalogue.ts'
import type { GpuTopology, GpuWish } from '../model/placement.ts'
import type { GpuRequest } from './instance-request.ts'
import type { TypeInZone } from './instance-type.ts'
import {
  allResolved,
  type LookupContext,
  type ReferenceContext,
  type Resolution,
  refusedWith,
  resolved,
  resolveReference,
} from './resolution.ts'

/** Accelerator types of the zone with how many of each; equal types are added up. */
export function resolveGpus(
  gpus: readonly GpuRequest[],
  { zone, type }: Pick<TypeInZone, 'zone' | 'type'>,
  context: LookupContext,
): Resolution<readonly GpuWish[]> {
  if (type.gpus !== undefined) {
    if (gpus.length === 0) return resolved([type.gpus])
    const bundled = `${type.gpus.count} × ${type.gpus.type}`
    return refusedWith(problem('GPUS_BUNDLED', { type: type.id, bundled }, 'gpus'))
  }
  const types = allResolved(
    gpus.map((gpu, index) =>
      resolveAcceleratorType({ text: gpu.type, field: `gpus[${index}].type` }, zone, context),
    ),
  )
  if (types.kind === 'refused') return types

  const totals = new Map<AcceleratorType, Total>()
  for (const [index, accelerator] of types.value.entries()) {
    const { count = 0, topology = 'any' } = gpus[index] ?? {}
    const before = totals.get(accelerator)
    const topologies = [...(before?.topologies ?? []), topology]
    totals.set(accelerator, { count: (before?.count ?? 0) + count, topologies, lastIndex: index })
  }
  const problems = [...totals].flatMap(([accelerator, total]) => checkTotal(accelerator, total))
  if (problems.length > 0) return refusedWith(...problems)
  return resolved(
    [...totals].map(
      ([
        { id },
        {
          count,
          topologies: [topology = 'any'],
        },
      ]) => ({
        ...{ type: id, count },
        ...(topology === 'any' ? {} : { topology }),
      }),
    ),
  )
}

interface Total {
  readonly count: number
  readonly topologies: readonly GpuTopology[]
  readonly lastIndex: number
}

function checkTotal({ id, maximumPerInstance }: AcceleratorType, { count, topologies, lastIndex }: Total) {
  const field = `gpus[${lastIndex}]`
  const [topology = 'any'] = topologies
  const other = topologies.find((one) => one !== topology)
  return [
    ...(count <= maximumPerInstance
      ? []
      : [problem('TOO_MANY_GPUS', { type: id, count, maximum: maximumPerInstance }, `${field}.count`)]),
    ...(other === undefined
      ? []
      : [problem('GPU_TOPOLOGIES_DIFFER', { type: id, topology, other }, `${field}.topology`)]),
  ]
}

export function resolveAcceleratorType(
  { text, field }: { text: string; field: string },
  zone: Zone,
  context: ReferenceContext,
): Resolution<AcceleratorType> {
  const reference = resolveReference({ text, field, collection: 'accelerator-types' }, context)
  if (reference.kind === 'refused') return reference
  const { id, zone: given } = reference.value
  if (given !== undefined && given !== zone.id) {
    return refusedWith(problem('WRONG_ZONE', { given, zone: zone.id }, field))
  }
  const accelerator = zone.acceleratorTypes.find((candidate) => candidate.id === id)
  if (accelerator !== undefined) return resolved(accelerator)
  const known = zone.acceleratorTypes.map((candidate) => candidate.id)
  return refusedWith(problem('REFERENCE_NOT_FOUND', { what: 'Accelerator type', id, known }, field))
}
