import type { DeviceStateName } from '../../../proto/device-state.ts'
import type { DeviceCondition } from '../../model/device.ts'
import type { DeviceRow } from '../tables.ts'

/** Of which nothing was heard or asked yet. */
export const newDevice = {
  ...{ state: 'FREE', reason: '', message: '', request_id: '' },
  ...{ generation: 0, command_generation: 0 },
} as const

export type ConditionRow = Pick<
  DeviceRow,
  | ('present' | 'state' | 'reason' | 'unscrubbed_project')
  | ('generation' | 'command_generation' | 'command_error_reason')
>

/** What is as it mostly is, is left out: a fleet has thousands of them in memory. */
export function conditionFromRow(row: ConditionRow): DeviceCondition {
  return {
    present: row.present === 1,
    ...(row.state === 'FREE' ? {} : { state: row.state as DeviceStateName }),
    ...(row.reason === '' ? {} : { reason: row.reason }),
    ...(row.unscrubbed_project === null ? {} : { unscrubbedProject: row.unscrubbed_project }),
    ...(isAwaited(row) ? { isAwaited: true } : {}),
  }
}

/** Once the host has taken it, an earlier no counts no longer. */
const isAwaited = (row: Pick<ConditionRow, 'generation' | 'command_generation' | 'command_error_reason'>) =>
  row.generation < row.command_generation && row.command_error_reason === null
