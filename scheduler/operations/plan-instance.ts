// A create without the create: what it would be answered, and why, rule by rule. Nothing is held, committed or told.
import { instanceUid } from '../../proto/ids.ts'
import { type AdmittedInstance, admitInstance } from '../admission/admit.ts'
import type { InstanceRequest } from '../admission/instance-request.ts'
import { refuseAll } from '../errors.ts'
import type { Catalogue, Project } from '../model/catalogue.ts'
import type { Demand, PlacementVerdict } from '../model/placement.ts'
import { type Counterfactual, findCounterfactuals } from '../placement/counterfactual.ts'
import { explainVerdict, type FleetIndex } from '../placement/index.ts'
import { readAdmissionContext } from './admission-context.ts'
import { done, type Outcome } from './outcome.ts'
import { placeAdmitted } from './place-admitted.ts'
import type { OperationPorts } from './ports.ts'
import { describeRefusals, type RuleOutcome } from './refuse-placement.ts'

export type { Counterfactual }

export interface InstancePlan {
  readonly verdict: PlacementVerdict
  readonly demand: Demand
  readonly rules: readonly RuleOutcome[]
  /** Where it does not fit: what would make it fit now. */
  readonly counterfactuals: readonly Counterfactual[]
}

interface PlanRequest {
  readonly project: Project
  readonly body: InstanceRequest
  readonly serverHost: string
  /** Says of each host why not: for operators. */
  readonly isHostByHost: boolean
}

export async function planInstance(
  request: PlanRequest,
  ports: OperationPorts,
): Promise<Outcome<InstancePlan>> {
  const uid = instanceUid(ports.random.uuid())
  const admission = admitInstance(request.body, await readAdmissionContext(request, uid, ports))
  if (admission.kind === 'refused') return refuseAll(admission.problems)
  return ports.fleet.withoutHolds((index) => {
    const verdict = placeAdmitted(admission, index, { seed: uid, nowMs: ports.clock.nowMs() })
    const { isHostByHost } = request
    return done(planOf({ admission, verdict }, index, { isHostByHost, catalogue: ports.catalogue }))
  })
}

/** What the index has decided just now, in full. */
export function planOf(
  {
    admission,
    verdict: decided,
  }: { readonly admission: AdmittedInstance; readonly verdict: PlacementVerdict },
  index: FleetIndex,
  { isHostByHost, catalogue }: { readonly isHostByHost: boolean; readonly catalogue: Catalogue },
): InstancePlan {
  const { demand, reservation } = admission
  // A reservation has its own few hosts, and they have been explained.
  const verdict =
    reservation === undefined ? explainVerdict(decided, demand, index, { isHostByHost }) : decided
  const isFinal = verdict.kind === 'placed' || reservation !== undefined
  return {
    ...{ verdict, demand, rules: describeRefusals(verdict.explanation) },
    counterfactuals: isFinal ? [] : findLess(demand, index, catalogue),
  }
}

function findLess(demand: Demand, index: FleetIndex, catalogue: Catalogue): readonly Counterfactual[] {
  const zone = catalogue.zones.find(({ id }) => id === demand.zone)
  // A type that brings GPUs is another wish, not a smaller one.
  const types = zone?.instanceTypes.filter(({ gpus }) => gpus === undefined) ?? []
  const fitsNow = (less: Demand) => index.decide(less, '') !== undefined
  return findCounterfactuals(demand, fitsNow, types)
}
