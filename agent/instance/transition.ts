// What an instance's actor does next. Pure.
//
//   desired ABSENT  : anything but ABSENT ─▶ remove
//   desired STOPPED : STAGING ─▶ unwind,  RUNNING ─▶ stop
//   desired RUNNING : STAGING ─▶ stage
//   and what an instance that does not run still holds on the host is tidied up.
//
// A guest that powered itself off or crashed stays as it is until a command of a new generation says otherwise.
import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'

export type Action =
  /** Bring it up, or go on bringing it up. */
  | 'stage'
  /** Ask the guest to power off, and end it when its time is over. */
  | 'stop'
  /** Undo what was done on the host; disks stay. */
  | 'unwind'
  /** Take everything off this host. */
  | 'remove'
  /** Undo what a failed creation or a guest that ended by itself has left. */
  | 'tidy'
  | 'rest'

export interface Situation {
  readonly desiredState: DesiredState
  readonly phase: InstancePhase
  /** It does not run, and something of its running is still on the host. */
  readonly hasLeftovers: boolean
}

export function nextAction({ desiredState, phase, hasLeftovers }: Situation): Action {
  const wanted = actionFor(desiredState, phase)
  return wanted === 'rest' && hasLeftovers ? 'tidy' : wanted
}

function actionFor(desiredState: DesiredState, phase: InstancePhase): Action {
  switch (desiredState) {
    case DesiredState.ABSENT:
      return phase === InstancePhase.ABSENT ? 'rest' : 'remove'
    case DesiredState.STOPPED:
      if (phase === InstancePhase.RUNNING || phase === InstancePhase.STOPPING) return 'stop'
      return phase === InstancePhase.STAGING ? 'unwind' : 'rest'
    case DesiredState.RUNNING:
      return phase === InstancePhase.STAGING ? 'stage' : 'rest'
    default:
      // A wish that a newer scheduler knows: nothing is done to the guest.
      return 'rest'
  }
}

/** The phase that a new generation starts from. */
export function phaseForCommand(desiredState: DesiredState, phase: InstancePhase): InstancePhase {
  const isUp = phase === InstancePhase.RUNNING
  return desiredState === DesiredState.RUNNING && !isUp ? InstancePhase.STAGING : phase
}
