// The published states of an instance and the legal edges between them, as data: the scheduler's lifecycle, the
// agents, the simulated fleet and the documents all read this table.

export const instanceStatuses = [
  'PENDING',
  'PROVISIONING',
  'STAGING',
  'RUNNING',
  'STOPPING',
  'STOPPED',
  'SUSPENDING',
  'SUSPENDED',
  'REPAIRING',
  'DEPROVISIONING',
  'FAILED',
] as const

export type InstanceStatus = (typeof instanceStatuses)[number]

export interface StatusInfo {
  /** For a person: what the status says. */
  readonly meaning: string
  readonly next: readonly InstanceStatus[]
  /** How long an instance may stay in it without a new word, in ms; undefined where it may stay for good. */
  readonly deadlineMs?: number
}

const minuteMs = 60_000

/** Every status may also go to DEPROVISIONING, and from there to nothing: the instance is gone. */
export const instanceLifecycle: Readonly<Record<InstanceStatus, StatusInfo>> = {
  PENDING: {
    meaning: 'Waits for capacity, as its request asked.',
    next: ['PROVISIONING', 'FAILED', 'DEPROVISIONING'],
  },
  PROVISIONING: {
    meaning: 'Placed on a host; the host has not begun yet.',
    // SUSPENDED again where its memory could not be loaded.
    next: [
      ...([
        'STAGING',
        'RUNNING',
        'STOPPING',
        'STOPPED',
        'SUSPENDED',
        'REPAIRING',
        'FAILED',
        'DEPROVISIONING',
      ] as const),
    ],
    deadlineMs: 2 * minuteMs,
  },
  STAGING: {
    meaning: 'The host prepares image, disks, network and devices.',
    next: ['RUNNING', 'STOPPING', 'STOPPED', 'SUSPENDED', 'REPAIRING', 'FAILED', 'DEPROVISIONING'],
    deadlineMs: 30 * minuteMs,
  },
  RUNNING: {
    meaning: 'The vCPUs run.',
    next: ['STOPPING', 'STOPPED', 'SUSPENDING', 'REPAIRING', 'FAILED', 'DEPROVISIONING'],
  },
  STOPPING: {
    meaning: 'The guest was asked to power off, for good or to be started again.',
    // RUNNING where a restart was so quick that nothing was heard of it in between.
    next: ['STAGING', 'RUNNING', 'STOPPED', 'FAILED', 'DEPROVISIONING'],
    deadlineMs: 10 * minuteMs,
  },
  STOPPED: {
    meaning: 'Powered off. Name, addresses and disks are kept.',
    next: ['PROVISIONING', 'STAGING', 'RUNNING', 'FAILED', 'DEPROVISIONING'],
  },
  SUSPENDING: {
    meaning: 'Memory is being written to disk.',
    // RUNNING where the memory could not be written; STAGING where the host has rebooted meanwhile.
    next: ['SUSPENDED', 'STAGING', 'RUNNING', 'STOPPING', 'STOPPED', 'FAILED', 'DEPROVISIONING'],
    deadlineMs: 10 * minuteMs,
  },
  SUSPENDED: {
    meaning: 'Memory is on disk; the vCPUs are gone.',
    next: ['PROVISIONING', 'STAGING', 'RUNNING', 'STOPPING', 'STOPPED', 'FAILED', 'DEPROVISIONING'],
  },
  REPAIRING: {
    meaning: 'Its host is lost, or the guest crashed and is started again.',
    next: ['PROVISIONING', 'STAGING', 'RUNNING', 'STOPPING', 'STOPPED', 'FAILED', 'DEPROVISIONING'],
    deadlineMs: 30 * minuteMs,
  },
  DEPROVISIONING: {
    meaning: 'Being torn down. Gone once its host has proved it.',
    next: [],
    deadlineMs: 10 * minuteMs,
  },
  FAILED: {
    meaning: 'Creation or repair gave up; the message says why and what to do.',
    next: ['DEPROVISIONING'],
  },
}

export function isLegalEdge(from: InstanceStatus, to: InstanceStatus): boolean {
  return from === to || instanceLifecycle[from].next.includes(to)
}
