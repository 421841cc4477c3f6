import { problem } from '../errors.ts'
import type { Demand } from '../model/placement.ts'
import type { StoredReservation } from '../model/resource.ts'
import {
  type AdmissionContext,
  type Resolution,
  refusedWith,
  resolved,
  resolveReference,
} from './resolution.ts'

const field = 'reservation'

/** What a reservation keeps room for: its body. */
export interface ReservedShape {
  readonly description?: string
  /** Path of the instance type. */
  readonly type: string
  readonly zone: string
  readonly gpus: readonly { readonly type: string; readonly count: number }[]
  readonly diskGb: number
  readonly count: number
}

export const shapeOf = ({ body }: StoredReservation): ReservedShape => body as unknown as ReservedShape

/** The one that a request names, where it keeps room for just that. */
export function resolveReservation(
  text: string | undefined,
  context: AdmissionContext,
): Resolution<StoredReservation | undefined> {
  if (text === undefined) return resolved(undefined)
  const reference = resolveReference({ text, field, collection: 'reservations' }, context)
  if (reference.kind === 'refused') return reference
  const { id } = reference.value
  const all = context.reservations ?? []
  const found = all.find((one) => one.id === id)
  if (found !== undefined) return resolved(found)
  const known = all.map((one) => one.id)
  return refusedWith(problem('REFERENCE_NOT_FOUND', { what: 'Reservation', id, known }, field))
}

/** Type and GPUs must be the reservation's; disks may be smaller. */
export function checkReservation(
  reservation: StoredReservation | undefined,
  { type, demand }: { readonly type: string; readonly demand: Demand },
) {
  if (reservation === undefined) return []
  const shape = shapeOf(reservation)
  const lacks = [
    ...(type === shape.type ? [] : [`it is for type ${shape.type}`]),
    ...(wordsOf(demand.gpus) === wordsOf(shape.gpus) ? [] : [`it is for ${wordsOf(shape.gpus)}`]),
    ...(demand.diskGb <= shape.diskGb ? [] : [`it holds ${shape.diskGb} GB of disks, not ${demand.diskGb}`]),
  ]
  if (lacks.length === 0) return []
  const message = `Reservation ${reservation.id} does not fit: ${lacks.join(', and ')}.`
  return [problem('RESERVATION_MISMATCH', { message }, field)]
}

const wordsOf = (gpus: ReservedShape['gpus']) =>
  gpus
    .map(({ type, count }) => `${count} × ${type}`)
    .toSorted()
    .join(' and ') || 'no GPUs'
