import { projectId } from '../../proto/ids.ts'
import { type Problem, problem, type Refusal, refuse, refuseAll } from '../errors.ts'
import { fixedMetrics, type Quota } from '../model/quota.ts'
import type { QuotaExceeded } from '../store/store.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'

/** Of the request: what would have to be less. */
const fieldOf = (metric: string): string =>
  metric.startsWith('gpus/') ? 'gpus' : ({ disksGb: 'disks', addresses: 'nics' }[metric] ?? 'type')

export const refuseQuota = ({ metric, limit, used, asked }: QuotaExceeded): Refusal =>
  refuse('QUOTA_EXCEEDED', { metric, limit, used, asked }, fieldOf(metric))

export const listQuotas = (
  { project }: { project: string },
  { store }: Pick<OperationPorts, 'store'>,
): Promise<readonly Quota[]> => store.listQuotas(projectId(project))

export async function setQuotas(
  { project, limits }: { project: string; limits: Readonly<Record<string, number | null>> },
  { store, catalogue }: Pick<OperationPorts, 'store' | 'catalogue'>,
): Promise<Outcome<readonly Quota[]>> {
  const gpus = catalogue.zones.flatMap((zone) => zone.acceleratorTypes.map(({ id }) => `gpus/${id}`))
  const known = new Set<string>([...fixedMetrics, ...gpus])
  const problems: Problem[] = Object.keys(limits)
    .filter((metric) => !known.has(metric))
    .map((id) => problem('REFERENCE_NOT_FOUND', { what: 'Quota', id, known: [...known] }, `limits.${id}`))
  const [first, ...others] = problems
  if (first !== undefined) return refuseAll([first, ...others])
  return done(await store.setQuotas({ project: projectId(project), limits }))
}
