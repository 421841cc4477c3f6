// A device of a host as the scheduler knows it: what its agent says of it, what operators have asked, and who has it.
import type { DeviceStateName } from '../../proto/device-state.ts'
import type { HostId, PciAddress } from '../../proto/ids.ts'

/** What becomes of a device that nothing has scrubbed: kept for its last guest's project, or anybody's. */
export const unscrubbedPolicies = ['quarantine', 'reuse'] as const
export type UnscrubbedPolicy = (typeof unscrubbedPolicies)[number]

/** What operators can ask of a device. */
export const deviceVerbs = ['release', 'quarantine', 'reset'] as const
export type DeviceVerb = (typeof deviceVerbs)[number]

export interface DeviceRecord extends DeviceCondition {
  readonly hostId: HostId
  readonly address: PciAddress
  readonly acceleratorType?: string
  /** Absent of one that only an agent's report knows. */
  readonly pciId?: string
  /** -1 where unknown. */
  readonly numaNode: number
  readonly state: DeviceStateName
  readonly reason: string
  readonly message: string
  /** Absent before the first report. */
  readonly enteredAtMs?: number
  readonly deadlineMs?: number
  /** The guest that has it, or had it last while it is not free. */
  readonly holderUid?: string
  /** An instance, or a reservation's place. */
  readonly claimedBy?: string
  readonly instance?: { readonly project: string; readonly id: string }
  readonly lastCommand?: DeviceCommand
}

/** The last thing that an operator asked. */
export interface DeviceCommand {
  readonly verb: DeviceVerb
  readonly status: 'RUNNING' | 'DONE'
  readonly error?: { readonly reason: string; readonly message: string }
  readonly requestId: string
  readonly askedAtMs: number
}

/** What of a device decides whether a guest can have it, apart from claims. */
export interface DeviceCondition {
  /** In the host's last report. A device that vanished keeps its claim and takes no new one. */
  readonly present: boolean
  /** FREE where absent. */
  readonly state?: DeviceStateName
  /** Machine-readable, of a state that is not as it should be. */
  readonly reason?: string
  /** Whose data may still be in it; `*` where several left some. */
  readonly unscrubbedProject?: string
  /** Its host has not taken an operator's command yet. */
  readonly isAwaited?: boolean
}

export type DeviceTrouble = 'absent' | 'quarantined' | 'unready' | 'awaited' | 'unscrubbed'

/** For whom, and by which rule of the zone. */
export interface DeviceWish {
  readonly project: string | undefined
  readonly policy: UnscrubbedPolicy
}

/** The one rule of placement and commit: why nobody of this project can have it now, apart from claims. */
export function findTrouble(
  device: DeviceCondition,
  { project, policy }: DeviceWish,
): DeviceTrouble | undefined {
  const { state = 'FREE', unscrubbedProject } = device
  if (!device.present) return 'absent'
  if (state === 'QUARANTINED') return 'quarantined'
  if (state !== 'FREE') return 'unready'
  if (device.isAwaited) return 'awaited'
  const isUnscrubbed = unscrubbedProject !== undefined && unscrubbedProject !== project
  return isUnscrubbed && policy === 'quarantine' ? 'unscrubbed' : undefined
}

/** What the troubles of some devices come to; '' where nothing speaks against any of them. */
export function describeTroubles(devices: readonly DeviceCondition[], wish: DeviceWish): string {
  const groups = new Map<DeviceTrouble, DeviceCondition[]>()
  for (const device of devices) {
    const trouble = findTrouble(device, wish)
    if (trouble !== undefined) groups.set(trouble, [...(groups.get(trouble) ?? []), device])
  }
  return [...groups].map(([trouble, group]) => `${group.length} ${words[trouble](group)}`).join(', ')
}

/** Of one: "is quarantined (RESET_FAILED)". */
export function describeTrouble(device: DeviceCondition, wish: DeviceWish): string | undefined {
  const trouble = findTrouble(device, wish)
  return trouble && words[trouble]([device])
}

const areOf = (group: readonly unknown[]) => (group.length === 1 ? 'is' : 'are')

const words: Readonly<Record<DeviceTrouble, (group: readonly DeviceCondition[]) => string>> = {
  absent: (group) => `${areOf(group)} gone from the bus`,
  quarantined: (group) => {
    const reasons = [...new Set(group.flatMap(({ reason = '' }) => (reason === '' ? [] : [reason])))].sort()
    return `${areOf(group)} quarantined${reasons.length === 0 ? '' : ` (${reasons.join(', ')})`}`
  },
  unready: (group) => `${areOf(group)} being reset and scrubbed after the last guest`,
  awaited: (group) => `${group.length === 1 ? 'waits' : 'wait'} for an operator's command to be carried out`,
  unscrubbed: (group) => `${areOf(group)} unscrubbed after another project`,
}
