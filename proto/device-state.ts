// The states of a device that guests get whole, and the legal edges between them, as data: the agents, the scheduler, the
// simulated fleet and the documents all read this table.
import { DeviceState } from './gen/berth/agent/v1/device_pb.ts'

export const deviceStates = [
  'FREE',
  'BINDING',
  'IN_USE',
  'RESETTING',
  'SCRUBBING',
  'VERIFYING',
  'QUARANTINED',
] as const

export type DeviceStateName = (typeof deviceStates)[number]

const names = new Map<DeviceState, DeviceStateName>(deviceStates.map((name) => [DeviceState[name], name]))

/** What the wire calls by a number; undefined of a state that only a newer program knows. */
export const deviceStateName = (state: DeviceState): DeviceStateName | undefined => names.get(state)

export interface DeviceStateInfo {
  /** For a person: what the state says. */
  readonly meaning: string
  readonly next: readonly DeviceStateName[]
  /** How long a device may stay in it, in ms; undefined where it may stay for good. */
  readonly deadlineMs?: number
}

const minuteMs = 60_000

export const deviceLifecycle: Readonly<Record<DeviceStateName, DeviceStateInfo>> = {
  FREE: {
    meaning: 'No guest has it, and nothing speaks against the next one.',
    next: ['BINDING', 'RESETTING', 'QUARANTINED'],
  },
  BINDING: {
    meaning: 'The host takes it from its driver for a guest.',
    next: ['IN_USE', 'RESETTING', 'FREE', 'QUARANTINED'],
    deadlineMs: minuteMs,
  },
  IN_USE: {
    meaning: 'A guest has it.',
    // After a reboot of the host it is bound anew.
    next: ['BINDING', 'RESETTING', 'QUARANTINED'],
  },
  RESETTING: {
    meaning: 'Its guest is gone; the host resets it.',
    next: ['SCRUBBING', 'QUARANTINED'],
    deadlineMs: minuteMs,
  },
  SCRUBBING: {
    meaning: 'What its guest has left in it is removed.',
    next: ['VERIFYING', 'QUARANTINED'],
    deadlineMs: 30 * minuteMs,
  },
  VERIFYING: {
    meaning: 'The host looks whether it is as it was before its guest, and gives it back to its driver.',
    next: ['FREE', 'QUARANTINED'],
    deadlineMs: minuteMs,
  },
  QUARANTINED: {
    meaning:
      'No guest gets it until an operator releases or resets it; its reason says why. FABRIC_UNHEALTHY and PARTITION_FOREIGN end by themselves.',
    next: ['FREE', 'RESETTING'],
  },
}
