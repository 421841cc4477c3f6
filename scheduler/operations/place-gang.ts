// Where the instances of a batch go, all of them or none; a refusal names the one in the way, or what hosts they could not
// share.

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
} from '../placement/index.ts'
import { withinBatch } from './batch-refusal.ts'
import { itemAt } from './item-at.ts'
import { done, type Outcome } from './outcome.ts'
import { placeAdmitted } from './place-admitted.ts'
import type { OperationPorts, Places } from './ports.ts'
import { refusePlacement } from './refuse-placement.ts'

export interface PlacedMember {
  readonly admission: AdmittedInstance
  readonly verdict: Extract<PlacementVerdict, { kind: 'placed' }>
}

type Placed = Outcome<readonly PlacedMember[]>

/** A hold may come to nothing: where only holds are in the way, the commit decides. */
export function placeAdmittedGang(
  admissions: readonly AdmittedInstance[],
  sameHostLabel: string | undefined,
  { fleet, clock }: Pick<OperationPorts, 'fleet' | 'clock'>,
): Placed {
  const nowMs = clock.nowMs()
  const look = (index: FleetIndex) =>
    sameHostLabel === undefined
      ? placeAnywhere(admissions, { index, nowMs })
      : placeOnOneValue(admissions, sameHostLabel, { index, nowMs })
  const around = fleet.withHolds(look)
  return around.kind === 'done' || !fleet.hasHolds() ? around : fleet.withoutHolds(look)
}

interface Look {
  readonly index: FleetIndex
  readonly nowMs: number
}

function placeAnywhere(admissions: readonly AdmittedInstance[], { index, nowMs }: Look): Placed {
  const outcome = placeGang(gangOf(admissions, { nowMs, placesOf: (all) => all }), index)
  if (outcome.kind === 'refused') return withinBatch(outcome.at, refusePlacement(outcome.verdict))
  return done(admissions.map((admission, at) => ({ admission, verdict: itemAt(outcome.placed, at) })))
}

function placeOnOneValue(admissions: readonly AdmittedInstance[], key: string, look: Look): Placed {
  const { index, nowMs } = look
  const gang = gangOf(admissions, { nowMs, placesOf: withoutReasons })
  const wish = { key, seed: admissions[0]?.spec.uid ?? '' }
  const outcome = placeTogether(gang, index, wish)
  if (outcome.kind === 'scattered') {
    const one = firstMiss(admissions, key, look)
    if (one !== undefined) return one
    // What a reservation keeps is in use for everybody else, whoever is there.
    const isReserved = admissions.some(({ reservation }) => reservation !== undefined)
    return refuseTogether(key, {
      ...{ count: admissions.length, values: outcome.values, ...outcome.nearest },
      couldEverFit: isReserved || couldEverBeTogether(gang, index, wish),
    })
  }
  const label = { key, value: outcome.value }
  return done(
    admissions.map((asked, at) => {
      const admission = boundTo(asked, label)
      const verdict = itemAt(outcome.placed, at)
      // Of places in a reservation it is known already.
      const isExplained = verdict.explanation.refusedBy !== undefined
      return { admission, verdict: isExplained ? verdict : index.explain(verdict, admission.demand) }
    }),
  )
}

function gangOf(
  admissions: readonly AdmittedInstance[],
  { nowMs, placesOf }: { readonly nowMs: number; placesOf(index: FleetIndex): Places },
): Gang {
  return {
    members: admissions.map(({ demand, spec }) => ({ uid: spec.uid, demand })),
    place: ({ at, demand }, index, entered) => {
      const admission = itemAt(admissions, at)
      const places = placesOf(index)
      return placeAdmitted({ ...admission, demand }, places, { seed: admission.spec.uid, entered, nowMs })
    },
  }
}

/** Why not is asked once, not of each value. */
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
  { index, nowMs }: Look,
): Refusal | undefined {
  for (const [at, admission] of admissions.entries()) {
    const { hostLabels = [] } = admission.demand
    const demand = { ...admission.demand, hostLabels: [...hostLabels, { kind: 'exists' as const, key }] }
    const verdict = placeAdmitted({ ...admission, demand }, index, { seed: admission.spec.uid, nowMs })
    if (verdict.kind !== 'placed') return withinBatch(at, refusePlacement(verdict))
  }
  return undefined
}

/** They stay there, whatever moves them. */
function boundTo(
  admission: AdmittedInstance,
  label: { readonly key: string; readonly value: string },
): AdmittedInstance {
  const { demand, details } = admission
  const hostLabels = { ...details.scheduling?.hostLabels, [label.key]: label.value }
  return {
    ...admission,
    demand: { ...demand, hostLabels: [...(demand.hostLabels ?? []), selectorOf(label)] },
    details: { ...details, scheduling: { ...details.scheduling, hostLabels } },
  }
}

const field = 'scheduling.sameHostLabel'

function refuseTogether(
  key: string,
  {
    count,
    values,
    value,
    roomFor = 0,
    couldEverFit,
  }: {
    readonly count: number
    readonly values: number
    readonly value?: string
    readonly roomFor?: number
    readonly couldEverFit: boolean
  },
): Refusal {
  const most = values === 1 ? '' : `, the most of ${values}`
  const nearest = value === undefined ? '' : `: ${key} ${value} has room for ${roomFor} of ${count}${most}`
  const lack = `None of the instances was created, for no hosts of one ${key} have room for all of them${nearest}.`
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
