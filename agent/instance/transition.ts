// What an instance's actor does next. Pure.
//
//   desired ABSENT  : anything but ABSENT ─▶ remove
//   desired STOPPED : STAGING, REPAIRING ─▶ unwind,  RUNNING, SUSPENDING ─▶ stop,  SUSPENDED ─▶ discard
//   desired RUNNING : STAGING ─▶ stage,  RUNNING ─▶ apply | restart,  STOPPING ─▶ restart,  SUSPENDING ─▶ suspend,
//                     REPAIRING ─▶ repair
//   desired SUSPENDED: RUNNING, SUSPENDING ─▶ suspend,  STAGING ─▶ stage,  REPAIRING ─▶ repair
//   and what an instance that does not run still holds on the host is tidied up.
//
// A guest that powered itself off stays as it is until a command asks for a start; so does one that crashed and is not to
// be started again by itself.
import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'

export type Action =
  /** Bring it up, or go on bringing it up. */
  | 'stage'
  /** Bring what a running guest can change while it runs to what is asked. */
  | 'apply'
  /** Stop it, and bring it up again. */
  | 'restart'
  /** After a crash: take down what is left, and bring it up again when its pause is over. */
  | 'repair'
  /** Ask the guest to power off, and end it when its time is over. */
  | 'stop'
  /** Write the guest's memory to disk, and end it. */
  | 'suspend'
  /** Give up the memory of a suspended guest. */
  | 'discard'
  /** Undo what was done on the host; disks stay. */
  | 'unwind'
  /** Take everything off this host. */
  | 'remove'
  /** Undo what a failed creation or a guest that ended by itself has left. */
  | 'tidy'
  | 'rest'

export type Situation = Pick<
  InstanceRecord,
  'desiredState' | 'phase' | 'released' | 'generation' | 'appliedGeneration' | 'startGeneration'
>

export function nextAction(now: Situation): Action {
  const wanted = actionFor(now)
  return wanted === 'rest' && hasLeftovers(now) ? 'tidy' : wanted
}

function actionFor(now: Situation): Action {
  const { desiredState, phase } = now
  switch (desiredState) {
    case DesiredState.ABSENT:
      return phase === InstancePhase.ABSENT ? 'rest' : 'remove'
    case DesiredState.STOPPED:
      if (hasGuest(phase)) return 'stop'
      if (phase === InstancePhase.SUSPENDED) return 'discard'
      return phase === InstancePhase.STAGING || phase === InstancePhase.REPAIRING ? 'unwind' : 'rest'
    case DesiredState.SUSPENDED:
      if (phase === InstancePhase.STAGING) return 'stage'
      if (phase === InstancePhase.REPAIRING) return 'repair'
      if (phase === InstancePhase.SUSPENDING) return 'suspend'
      return phase === InstancePhase.RUNNING && now.generation > now.appliedGeneration ? 'suspend' : 'rest'
    case DesiredState.RUNNING:
      if (phase === InstancePhase.STAGING) return 'stage'
      if (phase === InstancePhase.REPAIRING) return 'repair'
      if (phase === InstancePhase.STOPPING) return 'restart'
      // Half suspended is no state to go on from: what was begun is ended, and taken back from there.
      if (phase === InstancePhase.SUSPENDING) return 'suspend'
      return phase === InstancePhase.RUNNING ? actionWhileRunning(now) : 'rest'
    default:
      // A wish that a newer scheduler knows: nothing is done to the guest.
      return 'rest'
  }
}

const hasGuest = (phase: InstancePhase) =>
  phase === InstancePhase.RUNNING || phase === InstancePhase.STOPPING || phase === InstancePhase.SUSPENDING

function actionWhileRunning({ generation, appliedGeneration, startGeneration }: Situation): Action {
  if (startGeneration > appliedGeneration) return 'restart'
  return generation > appliedGeneration ? 'apply' : 'rest'
}

/** It does not run, and something of its running may still be on the host. */
function hasLeftovers({ phase, released }: Situation): boolean {
  const { FAILED, STOPPED, CRASHED, SUSPENDED } = InstancePhase
  const isAtRest = phase === FAILED || phase === STOPPED || phase === CRASHED || phase === SUSPENDED
  return isAtRest && !released
}

/** The phase that a new generation starts from. */
export function phaseForCommand(
  desiredState: DesiredState,
  { phase, appliedGeneration }: Pick<Situation, 'phase' | 'appliedGeneration'>,
  startGeneration: number,
): InstancePhase {
  const { STAGING, RUNNING, STOPPING, REPAIRING } = InstancePhase
  const isOnItsWay = phase === STAGING || phase === RUNNING || phase === STOPPING || phase === REPAIRING
  const begins = desiredState === DesiredState.RUNNING && startGeneration > appliedGeneration && !isOnItsWay
  return begins ? STAGING : phase
}
