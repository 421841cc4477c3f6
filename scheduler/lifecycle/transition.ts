// What a host's observation does to an instance's published state. Pure: the store runs it in the transaction that
// applies a report.
//
//   PROVISIONING ─▶ STAGING ─▶ RUNNING ─▶ STOPPING ─▶ STOPPED
//        │             │          │ guest ended by itself ▲
//        │             │          └───────────────────────┘
//        └─────────────┴─▶ FAILED          any ─▶ DEPROVISIONING ─▶ (gone)
//
// A host's word never brings an instance back from DEPROVISIONING nor onto claims that were given back, and an edge
// that proto/instance-state.ts does not have is denied, whatever the host says.
import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceStatus, isLegalEdge } from '../../proto/instance-state.ts'

export interface ObservedFacts {
  readonly phase: InstancePhase
  readonly reason: string
  readonly message: string
  readonly released: boolean
}

export interface PublishedState {
  readonly status: InstanceStatus
  readonly reason: string
  readonly message: string
  readonly desiredState: DesiredState
  readonly released: boolean
}

export type Transition =
  /** A new status, with an event. */
  | {
      readonly kind: 'move'
      readonly to: InstanceStatus
      readonly reason: string
      readonly message: string
      /** The claims are free from now on. */
      readonly releases: boolean
    }
  /** The same status with a new sentence, or the news that nothing is held any more. */
  | { readonly kind: 'update'; readonly reason: string; readonly message: string; readonly releases: boolean }
  /** Torn down as asked: the instance is gone. */
  | { readonly kind: 'removed' }
  | { readonly kind: 'unchanged' }
  | { readonly kind: 'denied'; readonly message: string }

export function transitionInstance(published: PublishedState, observed: ObservedFacts): Transition {
  if (published.desiredState === DesiredState.ABSENT) return whileDeprovisioning(published, observed)
  const to = statusFor(observed.phase)
  if (to === undefined) {
    return { kind: 'denied', message: `A host reported phase ${observed.phase} unasked.` }
  }
  if (published.released && !isAtRest(to)) {
    return { kind: 'denied', message: `An instance that holds nothing any more can't be ${to}.` }
  }
  const { reason, message } = observed
  // Said of a guest that may run, it is a contradiction and proves nothing.
  const releases = observed.released && !published.released && isAtRest(to)
  if (to === published.status) {
    const isNews = releases || reason !== published.reason || message !== published.message
    return isNews ? { kind: 'update', reason, message, releases } : { kind: 'unchanged' }
  }
  if (!isLegalEdge(published.status, to)) {
    return { kind: 'denied', message: `An instance does not go from ${published.status} to ${to}.` }
  }
  return { kind: 'move', to, reason, message, releases }
}

function whileDeprovisioning(published: PublishedState, observed: ObservedFacts): Transition {
  if (observed.phase === InstancePhase.ABSENT && observed.released) return { kind: 'removed' }
  // What else the host sees on the way is told, but changes nothing that was decided.
  const { message, reason } = observed
  if (observed.phase !== InstancePhase.REMOVING || message === published.message) return { kind: 'unchanged' }
  return { kind: 'update', reason, message, releases: false }
}

function isAtRest(status: InstanceStatus): boolean {
  return status === 'STOPPED' || status === 'FAILED'
}

/** undefined for what only a wish to be absent explains. */
function statusFor(phase: InstancePhase): InstanceStatus | undefined {
  switch (phase) {
    case InstancePhase.STAGING:
      return 'STAGING'
    case InstancePhase.RUNNING:
      return 'RUNNING'
    case InstancePhase.STOPPING:
      return 'STOPPING'
    // A guest that crashed is not started again by its agent: it waits with its disks.
    case InstancePhase.STOPPED:
    case InstancePhase.CRASHED:
      return 'STOPPED'
    case InstancePhase.FAILED:
      return 'FAILED'
    case InstancePhase.REMOVING:
    case InstancePhase.ABSENT:
    case InstancePhase.UNSPECIFIED:
      return undefined
    // A phase that a newer agent knows.
    default:
      return undefined
  }
}
