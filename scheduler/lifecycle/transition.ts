// What a host's observation does to an instance's published state. Pure: the store runs it in the transaction that
// applies a report.
//
//   PROVISIONING ─▶ STAGING ─▶ RUNNING ─▶ STOPPING ─▶ STOPPED
//        │             │          │ guest ended by itself ▲
//        │             │          ├───────────────────────┘
//        │             │          └─▶ REPAIRING ─▶ STAGING, where a crash is followed by a start
//        └─────────────┴─▶ FAILED          any ─▶ DEPROVISIONING ─▶ (gone)
//
//   RUNNING ─▶ SUSPENDING ─▶ SUSPENDED ─▶ PROVISIONING ─▶ …; SUSPENDING ─▶ RUNNING where memory can't be written
//
// A host's word never brings an instance back from DEPROVISIONING nor onto claims that were given back, and an edge
// that proto/instance-state.ts does not have is denied, whatever the host says.
import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceStatus, isLegalEdge } from '../../proto/instance-state.ts'
import type { Holding } from '../model/instance.ts'

export interface ObservedFacts {
  readonly phase: InstancePhase
  readonly reason: string
  readonly message: string
  readonly released: boolean
  /** The host has nothing left to do for this generation. */
  readonly settled: boolean
}

/** Claims that are free from now on. */
export type Releases = 'nothing' | 'compute' | 'everything'

export interface PublishedState {
  readonly status: InstanceStatus
  readonly reason: string
  readonly message: string
  readonly desiredState: DesiredState
  readonly holds: Holding
}

export type Transition =
  /** A new status, with an event. */
  | {
      readonly kind: 'move'
      readonly to: InstanceStatus
      readonly reason: string
      readonly message: string
      readonly releases: Releases
    }
  /** The same status with a new sentence, or the news that nothing is held any more. */
  | {
      readonly kind: 'update'
      readonly reason: string
      readonly message: string
      readonly releases: Releases
    }
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
  if (isOnItsWayOut(published, to, observed)) return { kind: 'unchanged' }
  if (published.holds !== 'everything' && !isAtRest(to)) {
    return { kind: 'denied', message: `An instance that holds no CPU and memory any more can't be ${to}.` }
  }
  const { reason, message } = observed
  const releases = releasesOf(published.holds, to, observed)
  if (to === published.status) {
    const isNews = releases !== 'nothing' || reason !== published.reason || message !== published.message
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
  return { kind: 'update', reason, message, releases: 'nothing' }
}

/** A host that has heard of a stop, restart or suspend and has not begun with it still tells what was before. */
function isOnItsWayOut(
  { status, desiredState }: PublishedState,
  to: InstanceStatus,
  { settled }: ObservedFacts,
): boolean {
  if (settled) return false
  if (status === 'SUSPENDING') return to === 'RUNNING' || to === 'REPAIRING'
  if (status !== 'STOPPING') return false
  if (to === 'RUNNING' || to === 'REPAIRING' || to === 'SUSPENDING' || to === 'SUSPENDED') return true
  return to === 'STAGING' && desiredState === DesiredState.STOPPED
}

/** Said of a guest that may run, a proof is a contradiction and proves nothing. */
function releasesOf(holds: Holding, to: InstanceStatus, { released }: ObservedFacts): Releases {
  if (!released || holds === 'nothing') return 'nothing'
  if (to === 'FAILED') return 'everything'
  return (to === 'STOPPED' || to === 'SUSPENDED') && holds === 'everything' ? 'compute' : 'nothing'
}

function isAtRest(status: InstanceStatus): boolean {
  return status === 'STOPPED' || status === 'SUSPENDED' || status === 'FAILED'
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
    case InstancePhase.REPAIRING:
      return 'REPAIRING'
    // A guest that crashed and is not to be started again by its host waits with its disks.
    case InstancePhase.STOPPED:
    case InstancePhase.CRASHED:
      return 'STOPPED'
    case InstancePhase.SUSPENDING:
      return 'SUSPENDING'
    case InstancePhase.SUSPENDED:
      return 'SUSPENDED'
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
