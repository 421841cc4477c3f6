import { problem } from '../errors.ts'
import type { AcceleratorType, Zone } from '../model/catalogue.ts'
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

export interface GpuDemand {
  readonly type: string
  readonly count: number
}

/** Accelerator types of the zone with how many of each; equal types are added up. */
export function resolveGpus(
  gpus: readonly GpuRequest[],
  { zone, type }: Pick<TypeInZone, 'zone' | 'type'>,
  context: LookupContext,
): Resolution<readonly GpuDemand[]> {
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

  const totals = new Map<AcceleratorType, { count: number; lastIndex: number }>()
  for (const [index, accelerator] of types.value.entries()) {
    const count = (totals.get(accelerator)?.count ?? 0) + (gpus[index]?.count ?? 0)
    totals.set(accelerator, { count, lastIndex: index })
  }
  const problems = [...totals]
    .filter(([accelerator, { count }]) => count > accelerator.maximumPerInstance)
    .map(([{ id, maximumPerInstance }, { count, lastIndex }]) =>
      problem('TOO_MANY_GPUS', { type: id, count, maximum: maximumPerInstance }, `gpus[${lastIndex}].count`),
    )
  if (problems.length > 0) return refusedWith(...problems)
  return resolved([...totals].map(([accelerator, { count }]) => ({ type: accelerator.id, count })))
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
