// A create of several without the create: where each would go around those before it, or what the create would be answered.
import type { BatchScheduling, InstanceRequest } from '../admission/instance-request.ts'
import type { Refusal } from '../errors.ts'
import type { Project } from '../model/catalogue.ts'
import type { ValueRoom } from '../placement/index.ts'
import { admitBatch } from './admit-batch.ts'
import { done, type Outcome } from './outcome.ts'
import { placeAdmittedGang } from './place-gang.ts'
import { type InstancePlan, planOf } from './plan-instance.ts'
import type { OperationPorts } from './ports.ts'

export interface BatchPlan {
  /** Absent where all of them fit. */
  readonly refusal?: Refusal
  /** Of the label that they are to share, where they do. */
  readonly value?: string
  /** Where they don't, the values by how many each has room for, the most first. */
  readonly rooms?: readonly ValueRoom[]
  /** In the order of the request; undefined of those that had not had their turn when another was refused. */
  readonly members: readonly (InstancePlan | undefined)[]
}

interface PlanRequest {
  readonly project: Project
  readonly bodies: readonly InstanceRequest[]
  readonly batch?: BatchScheduling
  readonly serverHost: string
  /** Says of the one in the way of each host why not: for operators. */
  readonly isHostByHost: boolean
}

export async function planInstances(
  { bodies, batch, isHostByHost, ...asked }: PlanRequest,
  ports: OperationPorts,
): Promise<Outcome<BatchPlan>> {
  const admitted = await admitBatch(
    bodies.map((body) => ({ ...asked, body })),
    ports,
  )
  if (admitted.kind === 'refused') return admitted
  const { catalogue, clock, fleet } = ports
  const members: (InstancePlan | undefined)[] = bodies.map(() => undefined)
  const verdict = fleet.withoutHolds((index) =>
    placeAdmittedGang(admitted.value, batch?.sameHostLabel, {
      ...{ index, nowMs: clock.nowMs() },
      onMember: (member, around) => {
        const isRefused = member.verdict.kind !== 'placed'
        members[member.at] = planOf(member, around, { isHostByHost: isHostByHost && isRefused, catalogue })
      },
    }),
  )
  if (verdict.kind === 'placed') {
    return done({ members, ...(verdict.label === undefined ? {} : { value: verdict.label.value }) })
  }
  const { refusal, rooms } = verdict
  return done({ refusal, members, ...(rooms === undefined ? {} : { rooms }) })
}
