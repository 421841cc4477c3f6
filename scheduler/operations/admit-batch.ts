import { instanceUid } from '../../proto/ids.ts'
import { type AdmittedInstance, admitInstance } from '../admission/admit.ts'
import type { InstanceRequest } from '../admission/instance-request.ts'
import { type Problem, problem, refuseAll } from '../errors.ts'
import { type Asked, readAdmissionContext } from './admission-context.ts'
import { withinItem } from './batch-refusal.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'

/** All of them, or what is wrong with each. */
export async function admitBatch(
  asked: readonly Asked[],
  ports: OperationPorts,
): Promise<Outcome<readonly AdmittedInstance[]>> {
  const problems: Problem[] = []
  const admissions: AdmittedInstance[] = []
  for (const [index, one] of asked.entries()) {
    const uid = instanceUid(ports.random.uuid())
    const admission = admitInstance(one.body, await readAdmissionContext(one, uid, ports))
    if (admission.kind === 'admitted') admissions.push(admission)
    const own = admission.kind === 'admitted' ? refuseWait(one.body) : admission.problems
    problems.push(...own.map((found) => withinItem(found, index)))
  }
  const [first, ...others] = problems
  return first === undefined ? done(admissions) : refuseAll([first, ...others])
}

/** All or none of them would have to find room at one moment. */
function refuseWait({ scheduling }: InstanceRequest): readonly Problem[] {
  if (scheduling?.waitForCapacity !== true) return []
  const message = 'Instances that are all or none do not wait: leave it out, or create them one by one.'
  return [problem('INVALID_VALUE', { message }, 'scheduling.waitForCapacity')]
}
