// Projects: each begins with a network that NICs join when nothing else is said, and goes with it when nothing is left.
import { resourceUid } from '../../../proto/ids.ts'
import type { CreateProject } from '../../admission/resource-requests.ts'
import type { Project } from '../../model/catalogue.ts'
import { scopeOf } from '../../model/resource.ts'
import { done } from '../outcome.ts'
import type { OperationPorts } from '../ports.ts'
import type { Planned, Subject } from './change-resource.ts'
import { rulesOf } from './firewall.ts'
import { planDefaultNetwork } from './networking.ts'

export function planProject(
  { id: asked, ...body }: CreateProject,
  ports: Pick<OperationPorts, 'catalogue' | 'clock' | 'random'>,
): Planned {
  const { random, clock } = ports
  const id = asked ?? `project-${random.slug(6)}`
  const uid = resourceUid(random.uuid())
  return done([
    { uid, collection: 'projects', scope: scopeOf.region, id, body, nowMs: clock.nowMs() },
    ...planDefaultNetwork({ id, uid }, ports),
  ])
}

/** What it began with, innermost first: all else has to be deleted by who made it. */
export function madeWith({ networks }: Project): readonly Subject[] {
  const network = networks.find(({ id }) => id === 'default')
  if (network === undefined) return []
  const { id, meta, subnet } = network
  return [
    ...rulesOf(network),
    ...(subnet === undefined ? [] : [{ collection: 'subnets', id: subnet.id, meta: subnet.meta } as const]),
    { collection: 'networks', id, meta },
  ]
}
