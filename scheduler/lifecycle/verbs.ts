// What a user's verb does to an instance's published and desired state. Pure: the store runs it in the transaction that
// carries the verb out.
import { DesiredState } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceStatus } from '../../proto/instance-state.ts'
import type { InstanceVerb } from '../model/operation.ts'

export type ChangeVerb = Exclude<InstanceVerb, 'create'>

export type Decision =
  | {
      readonly kind: 'change'
      readonly status: InstanceStatus
      /** Both absent where the sentence stays as it is. */
      readonly reason?: string
      readonly message?: string
      readonly desiredState: DesiredState
      readonly asks: 'start' | 'reset' | 'nothing'
    }
  /** It is so, or is on its way there. */
  | { readonly kind: 'already' }
  | { readonly kind: 'refused'; readonly message: string }

interface Now {
  readonly status: InstanceStatus
  readonly desiredState: DesiredState
  readonly reason?: string
}

/** Why an instance is stopped for work on its host: it is started again after that. */
export const maintenanceReason = 'HOST_MAINTENANCE'
/** Between the news and the stop. */
export const longestNoticeMs = 3_600_000

const { RUNNING, STOPPED, SUSPENDED, ABSENT } = DesiredState

export function decideVerb(
  verb: ChangeVerb,
  now: Now,
  { isForced = false, isForMaintenance = false } = {},
): Decision {
  const { status, desiredState, reason } = now
  if (verb === 'delete') return status === 'DEPROVISIONING' ? already : changes.delete
  if (status === 'DEPROVISIONING') return refused('It is being deleted.')
  if (verb === 'update') return { kind: 'change', status, desiredState, asks: 'nothing' }
  if (status === 'PENDING' && verb !== 'start') {
    return refused('It is PENDING: it runs once there is room for it; delete it to wait no longer.')
  }
  if (verb === 'resizeDisk' && (status === 'SUSPENDING' || status === 'SUSPENDED')) {
    return refused(`It is ${status}: what its memory knows of its disks must stay true; resume it first.`)
  }
  if (verb === 'resizeDisk') return { kind: 'change', status, desiredState, asks: 'nothing' }
  if (verb === 'attachDisk' || verb === 'detachDisk') {
    if (status !== 'RUNNING' && status !== 'STOPPED') {
      return refused(`It is ${status}: disks are attached and detached while it is RUNNING or STOPPED.`)
    }
    return { kind: 'change', status, desiredState, asks: 'nothing' }
  }
  if (status === 'FAILED') return refused('It has FAILED: delete it and create it again.')
  switch (verb) {
    case 'start':
      if (status === 'STOPPED') return changes.start
      if (desiredState === RUNNING) return already
      return status === 'SUSPENDED'
        ? refused('It is SUSPENDED: resume it, or stop it first to give its memory up.')
        : refused(`It is ${status}: start it once it is STOPPED.`)
    case 'suspend':
      if (status === 'RUNNING') return changes.suspend
      return desiredState === SUSPENDED
        ? already
        : refused(`It is ${status}: only a RUNNING one is suspended.`)
    case 'resume':
      if (status === 'SUSPENDED') return changes.resume
      if (desiredState === RUNNING) return already
      return status === 'STOPPED'
        ? refused('It is STOPPED: there is no memory to resume from; start it.')
        : refused(`It is ${status}: resume it once it is SUSPENDED.`)
    case 'stop':
      if (status === 'STOPPED') return already
      if (desiredState === RUNNING) return isForMaintenance ? changes.maintain : changes.stop
      // Another notice; or its owner wants it to be stopped, without one and without a start after the work on the host.
      if (reason === maintenanceReason) return isForMaintenance ? changes.maintain : changes.stop
      // Asking a second time with force ends the patience of the first.
      return desiredState === STOPPED && !isForced ? already : changes.stop
    case 'restart':
      return status === 'RUNNING'
        ? changes.restart
        : refused(`It is ${status}: only a RUNNING one is restarted.`)
    case 'reset':
      return status === 'RUNNING' ? changes.reset : refused(`It is ${status}: only a RUNNING one is reset.`)
  }
}

const already: Decision = { kind: 'already' }
const refused = (message: string): Decision => ({ kind: 'refused', message })

const changes = {
  delete: {
    ...{ kind: 'change', status: 'DEPROVISIONING', desiredState: ABSENT, asks: 'nothing' },
    ...{ reason: 'DELETE_REQUESTED', message: 'Being deleted: its host takes it down.' },
  },
  start: {
    ...{ kind: 'change', status: 'PROVISIONING', desiredState: RUNNING, asks: 'start' },
    ...{ reason: 'START_REQUESTED', message: 'To be started on the host that has its disks.' },
  },
  stop: {
    ...{ kind: 'change', status: 'STOPPING', desiredState: STOPPED, asks: 'nothing' },
    ...{ reason: 'STOP_REQUESTED', message: 'To be stopped: its host asks the guest to power off.' },
  },
  maintain: {
    ...{ kind: 'change', status: 'STOPPING', desiredState: STOPPED, asks: 'nothing' },
    ...{ reason: maintenanceReason, message: 'Its host is to be worked on: the guest is told, and stopped.' },
  },
  suspend: {
    ...{ kind: 'change', status: 'SUSPENDING', desiredState: SUSPENDED, asks: 'nothing' },
    ...{ reason: 'SUSPEND_REQUESTED', message: 'To be suspended: its host writes its memory to disk.' },
  },
  resume: {
    ...{ kind: 'change', status: 'PROVISIONING', desiredState: RUNNING, asks: 'start' },
    ...{ reason: 'RESUME_REQUESTED', message: 'To go on from its memory, on the host that has it.' },
  },
  restart: {
    ...{ kind: 'change', status: 'STOPPING', desiredState: RUNNING, asks: 'start' },
    ...{
      reason: 'RESTART_REQUESTED',
      message: 'To be restarted: its host asks the guest to power off first.',
    },
  },
  reset: {
    ...{ kind: 'change', status: 'RUNNING', desiredState: RUNNING, asks: 'reset' },
    ...{ reason: 'RESET_REQUESTED', message: 'To be reset.' },
  },
} as const satisfies Partial<Record<ChangeVerb | 'maintain', Decision>>

/** Where an operation that went well has brought its instance; undefined where any status will do. */
export function goalOf(verb: InstanceVerb): InstanceStatus | undefined {
  switch (verb) {
    case 'create':
    case 'start':
    case 'resume':
    case 'restart':
    case 'reset':
      return 'RUNNING'
    case 'suspend':
      return 'SUSPENDED'
    case 'stop':
      return 'STOPPED'
    case 'update':
    case 'attachDisk':
    case 'detachDisk':
    case 'resizeDisk':
    case 'delete':
      return undefined
  }
}
