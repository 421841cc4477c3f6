import { type Problem, problem } from '../errors.ts'
import { apartGroup, togetherGroup } from '../model/group.ts'
import type { Demand } from '../model/placement.ts'
import type { InstanceRequest, SchedulingRequest } from './instance-request.ts'
import { checkLabels } from './labels.ts'

export const defaultWaitSeconds = 7 * 24 * 3600

export function checkScheduling({
  scheduling = {},
  reservation,
}: Pick<InstanceRequest, 'scheduling' | 'reservation'>): readonly Problem[] {
  const { hostLabels = {}, affinity = [], antiAffinity = [], waitForCapacity = false } = scheduling
  const inBoth = antiAffinity.flatMap((group, index) => {
    if (!affinity.includes(group)) return []
    const message = `It can't be on the host of group ${group} and apart from it: keep the group in one of both lists.`
    return [problem('INVALID_VALUE', { message }, `scheduling.antiAffinity[${index}]`)]
  })
  const invalid = (field: string, message: string) => [
    problem('INVALID_VALUE', { message }, `scheduling.${field}`),
  ]
  return [
    ...checkLabels(hostLabels, 'scheduling.hostLabels'),
    ...inBoth,
    ...(waitForCapacity && reservation !== undefined
      ? invalid(
          'waitForCapacity',
          'A reservation has room or has none, and nothing to wait for: leave one of both out.',
        )
      : []),
    ...(scheduling.waitTimeoutSeconds !== undefined && !waitForCapacity
      ? invalid('waitTimeoutSeconds', 'It does not wait: set waitForCapacity as well.')
      : []),
  ]
}

type SchedulingDemand = Pick<
  Demand,
  'isolation' | 'hostLabels' | 'groups' | 'affinity' | 'antiAffinity' | 'packing' | 'expectedLifetimeS'
>

/** What was left at its default is left out. */
export function schedulingDemand(project: string, request: SchedulingRequest): SchedulingDemand {
  const { isolation, hostLabels = {}, packing, expectedLifetimeSeconds } = request
  const selectors = Object.entries(hostLabels).map(([key, value]) => ({
    ...{ kind: 'in' as const, key, values: [value] },
  }))
  return {
    ...(isolation === 'host' ? { isolation } : {}),
    ...(selectors.length === 0 ? {} : { hostLabels: selectors }),
    ...groupDemand(project, request),
    ...(packing === 'spread' ? { packing } : {}),
    ...(expectedLifetimeSeconds === undefined ? {} : { expectedLifetimeS: expectedLifetimeSeconds }),
  }
}

/**
 * Who wants to be beside a group and who wants to be apart from it are told apart, so that the wish of each holds whoever
 * comes first: one that is apart is no company, and keeps those away who come for company.
 */
function groupDemand(
  project: string,
  { affinity = [], antiAffinity = [] }: SchedulingRequest,
): Pick<Demand, 'groups' | 'affinity' | 'antiAffinity'> {
  const together = affinity.map((name) => togetherGroup(project, name))
  const apart = antiAffinity.map((name) => apartGroup(project, name))
  const avoided = [
    ...affinity.map((name) => apartGroup(project, name)),
    ...antiAffinity.map((name) => togetherGroup(project, name)),
    ...apart,
  ]
  if (avoided.length === 0) return {}
  return {
    groups: [...together, ...apart],
    antiAffinity: avoided,
    ...(together.length === 0 ? {} : { affinity: together }),
  }
}
