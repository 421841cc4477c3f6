// Where the instances of a batch go, all of them or none; a refusal names the one in the way, or what hosts they could not
// share. What is asked before a create is answered here, too: by the same steps, with who looks on told of each.
import type { AdmittedInstance } from '../admission/admit.ts'
import { type Refusal, refuse } from '../errors.ts'
import type { PlacementVerdict } from '../model/placement.ts'
import {
  couldEverBeTogether,
  type FleetIndex,
  type Gang,
  placeGang,
  placeTogether,
  selectorOf,
  type ValueRoom,
} from '../placement/index.ts'
import { withinBatch } from './batch-refusal.ts'
import { itemAt } from './item-at.ts'
import { placeAdmitted } from './place-admitted.ts'
import type { OperationPorts, Places } from './ports.ts'
import { refusePlacement } from './refuse-placement.ts'

export interface PlacedMember {
  readonly admission: AdmittedInstance
  readonly verdict: Extract<PlacementVerdict, { kind: 'placed' }>
}

interface HostLabel {
  readonly key: string
  readonly value: string
}

export type GangVerdict =
  | { readonly kind: 'placed'; readonly members: readonly PlacedMember[]; readonly label?: HostLabel }
  | {
      readonly kind: 'refused'
      readonly refusal: Refusal
      /** Where they fit by themselves and not on hosts of one value of the label. */
      readonly rooms?: readonly ValueRoom[]
    }

/** What a member is given, or why it is not, while those before it have theirs in the index. */
export interface MemberVerdict {
  readonly at: number
  readonly admission: AdmittedInstance
  readonly verdict: PlacementVerdict
}

export interface GangLook {
  readonly index: FleetIndex
  readonly nowMs: number
  /** Told of each that has a place in the outcome, as they take them, and of the one that has none. */
  readonly onMember?: (member: MemberVerdict, index: FleetIndex) => void
}

/** A hold may come to nothing: where only holds are in the way, the commit decides. */
export function placeGangAroundHolds(
  admissions: readonly AdmittedInstance[],
  sameHostLabel: string | undefined,
  { fleet, clock }: Pick<OperationPorts, 'fleet' | 'clock'>,
): GangVerdict {
  const nowMs = clock.nowMs()
  const look = (index: FleetIndex) => placeAdmittedGang(admissions, sameHostLabel, { index, nowMs })
  const around = fleet.withHolds(look)
  return around.kind === 'placed' || !fleet.hasHolds() ? around : fleet.withoutHolds(look)
}

export const placeAdmittedGang = (
  admissions: readonly AdmittedInstance[],
  sameHostLabel: string | undefined,
  look: GangLook,
): GangVerdict =>
  sameHostLabel === undefined
    ? placeAnywhere(admissions, look)
    : placeOnOneValue(admissions, sameHostLabel, look)

function placeAnywhere(admissions: readonly AdmittedInstance[], look: GangLook): GangVerdict {
  const outcome = placeGang(gangOf(admissions, look), look.index)
  if (outcome.kind === 'refused') {
    return { kind: 'refused', refusal: withinBatch(outcome.at, refusePlacement(outcome.verdict)) }
  }
  const members = admissions.map((admission, at) => ({ admission, verdict: itemAt(outcome.placed, at) }))
  return { kind: 'placed', members }
}

function placeOnOneValue(admissions: readonly AdmittedInstance[], key: string, look: GangLook): GangVerdict {
  const { index, nowMs } = look
  // Why not is asked once, not of each value.
  const gang = gangOf(admissions, { index, nowMs, placesOf: withoutReasons })
  const wish = { key, seed: admissions[0]?.spec.uid ?? '' }
  const outcome = placeTogether(gang, index, wish)
  if (outcome.kind === 'placed') {
    const label = { key, value: outcome.value }
    const placed = placeAnywhere(boundTo(admissions, label), look)
    return placed.kind === 'placed' ? { ...placed, label } : placed
  }
  const { rooms } = outcome
  const one = firstMiss(admissions, key, look)
  if (one !== undefined) return { kind: 'refused', refusal: one }
  const [nearest] = rooms
  if (nearest !== undefined && look.onMember !== undefined) {
    placeAnywhere(boundTo(admissions, { key, value: nearest.value }), look)
  }
  // What a reservation keeps is in use for everybody else, whoever is there.
  const isReserved = admissions.some(({ reservation }) => reservation !== undefined)
  const couldEverFit = isReserved || couldEverBeTogether(gang, index, wish)
  return {
    kind: 'refused',
    refusal: refuseTogether(key, { count: admissions.length, rooms, couldEverFit }),
    rooms,
  }
}

function gangOf(
  admissions: readonly AdmittedInstance[],
  { nowMs, onMember, placesOf = asIs }: GangLook & { readonly placesOf?: (index: FleetIndex) => Places },
): Gang {
  return {
    members: admissions.map(({ demand, spec }) => ({ uid: spec.uid, demand })),
    place: ({ at, demand }, index, entered) => {
      const admission = itemAt(admissions, at)
      const how = { seed: admission.spec.uid, entered, nowMs }
      const verdict = placeAdmitted({ ...admission, demand }, placesOf(index), how)
      onMember?.({ at, admission, verdict }, index)
      return verdict
    },
  }
}

const asIs = (index: FleetIndex): Places => index

const withoutReasons = (index: FleetIndex): Places => ({
  place: (demand, seed, nowMs) =>
    index.decide(demand, seed, nowMs) ?? {
      ...{ kind: 'not-now', message: '', lack: '' },
      explanation: { seed, hostsConsidered: index.size, refusals: [] },
    },
  host: (hostId) => index.host(hostId),
})

/** Of one that no labelled host would take by itself. */
function firstMiss(
  admissions: readonly AdmittedInstance[],
  key: string,
  { index, nowMs, onMember }: GangLook,
): Refusal | undefined {
  for (const [at, asked] of admissions.entries()) {
    const { hostLabels = [] } = asked.demand
    const demand = { ...asked.demand, hostLabels: [...hostLabels, { kind: 'exists' as const, key }] }
    const admission = { ...asked, demand }
    const verdict = placeAdmitted(admission, index, { seed: admission.spec.uid, nowMs })
    if (verdict.kind === 'placed') continue
    onMember?.({ at, admission, verdict }, index)
    return withinBatch(at, refusePlacement(verdict))
  }
  return undefined
}

/** They stay there, whatever moves them. */
const boundTo = (admissions: readonly AdmittedInstance[], label: HostLabel): readonly AdmittedInstance[] =>
  admissions.map((admission) => {
    const { demand, details } = admission
    const hostLabels = { ...details.scheduling?.hostLabels, [label.key]: label.value }
    return {
      ...admission,
      demand: { ...demand, hostLabels: [...(demand.hostLabels ?? []), selectorOf(label)] },
      details: { ...details, scheduling: { ...details.scheduling, hostLabels } },
    }
  })

const field = 'scheduling.sameHostLabel'

function refuseTogether(
  key: string,
  {
    count,
    rooms,
    couldEverFit,
  }: { readonly count: number; readonly rooms: readonly ValueRoom[]; readonly couldEverFit: boolean },
): Refusal {
  const [nearest] = rooms
  const most = rooms.length === 1 ? '' : `, the most of ${rooms.length}`
  const room =
    nearest === undefined
      ? ''
      : `: ${key} ${nearest.value} has room for ${nearest.roomFor} of ${count}${most}`
  const lack = `None of the instances was created, for no hosts of one ${key} have room for all of them${room}.`
  return couldEverFit
    ? refuse(
        'POOL_CAPACITY_EXCEEDED',
        { message: `${lack} Try again later, ask for fewer, or leave sameHostLabel out.` },
        field,
      )
    : refuse(
        'CAN_NEVER_FIT',
        { message: `${lack} Nor would they if nobody were there: ask for fewer, or for another label.` },
        field,
      )
}
