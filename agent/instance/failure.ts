import { describeCauses } from '../../lib/log.ts'
import { DiskError } from '../drivers/disk/port.ts'
import { FabricError } from '../drivers/fabric/port.ts'
import { HypervisorError } from '../drivers/hypervisor/port.ts'
import { PassthroughError } from '../drivers/passthrough/port.ts'

/** Why creation gave up: machine-readable, and a sentence that says what to do. */
export interface Failure {
  readonly reason: string
  readonly message: string
}

const createAgain = 'Create it again; if it fails again, ask the operator.'

export function failureOf(thrown: unknown, whatWasDone: string, advice = createAgain): Failure {
  if (thrown instanceof DiskError) return { reason: thrown.reason, message: thrown.message }
  if (thrown instanceof HypervisorError) {
    return {
      reason: thrown.reason,
      message: `${thrown.message} ${advice}`,
    }
  }
  if (thrown instanceof FabricError) {
    return { reason: thrown.reason, message: `${thrown.message} ${advice}` }
  }
  if (thrown instanceof PassthroughError) {
    return {
      reason: thrown.reason,
      message: `${thrown.message} Create it again for another GPU; the operator looks after this one.`,
    }
  }
  return {
    reason: 'HOST_ERROR',
    message: `The host failed while ${whatWasDone}: ${describeCauses(thrown)}. ${advice}`,
  }
}
