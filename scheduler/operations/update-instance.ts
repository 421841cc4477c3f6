import type { InstancePatch } from '../admission/instance-request.ts'
import { patchDetails } from '../admission/patch.ts'
import { refuseAll } from '../errors.ts'
import type { Accepted } from './accepted.ts'
import { type ChangeRequest, changeInstance } from './change-instance.ts'
import type { Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'
import { readInstance } from './read-instance.ts'

export type UpdateRequest = Omit<ChangeRequest, 'verb' | 'details' | 'isForced' | 'body'> & {
  readonly body: InstancePatch
}

const maximumAttempts = 5

/**
 * A merge patch. It is applied to what was read; where another change came between, it is read and applied again, unless
 * the client said which revision it means.
 */
export async function updateInstance(
  request: UpdateRequest,
  ports: OperationPorts,
): Promise<Outcome<Accepted>> {
  for (let attempt = 1; ; attempt += 1) {
    const found = await readInstance(request, ports)
    if (found.kind === 'refused') return found
    const patched = patchDetails(found.value.details, request.body)
    if (patched.kind === 'refused') return refuseAll(patched.problems)
    const { ifRevision = found.value.revision } = request
    const outcome = await changeInstance(
      { ...request, verb: 'update', details: patched.details, ifRevision },
      ports,
    )
    const isBehind = outcome.kind === 'refused' && outcome.problems[0].reason === 'REVISION_MISMATCH'
    if (!isBehind || request.ifRevision !== undefined || attempt === maximumAttempts) return outcome
  }
}
