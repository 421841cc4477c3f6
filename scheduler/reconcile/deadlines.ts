// Looks for states that last beyond their deadline and says, for people, what they wait for. In: what the store has and
// which hosts are connected; out: sentences and reasons. Nothing is ever failed or freed here: silence and slowness
// prove nothing.
import { type Clock, formatTimestamp } from '../../lib/clock.ts'
import type { HostId } from '../../proto/ids.ts'
import { type InstanceStatus, instanceLifecycle, instanceStatuses } from '../../proto/instance-state.ts'
import { maintenanceReason } from '../lifecycle/verbs.ts'
import type { InstanceRecord } from '../model/instance.ts'
import { decodeCommand } from '../model/queued-command.ts'
import { outboxLimit, type Store } from '../store/store.ts'

export interface DeadlinePorts {
  readonly store: Pick<Store, 'listInStatusSince' | 'readOutbox' | 'setStatusMessage'>
  readonly isConnected: (hostId: HostId) => boolean
  readonly clock: Clock
}

export type Wait = 'HOST_SILENT' | 'COMMAND_NOT_TAKEN' | 'OVERDUE'

export async function tellOverdue({ store, isConnected, clock }: DeadlinePorts): Promise<void> {
  const nowMs = clock.nowMs()
  const overdue = await listOverdue(store, nowMs)
  const untaken = new Map<HostId, ReadonlySet<string>>()
  for (const hostId of new Set(overdue.map((instance) => instance.hostId))) {
    if (!isConnected(hostId)) continue
    const commands = await store.readOutbox({ hostId, fromSequence: 0, limit: outboxLimit })
    untaken.set(hostId, new Set(commands.map((command) => decodeCommand(command).uid)))
  }
  for (const instance of overdue) {
    const { uid, revision, hostId } = instance
    const reason: Wait = !isConnected(hostId)
      ? 'HOST_SILENT'
      : untaken.get(hostId)?.has(uid)
        ? 'COMMAND_NOT_TAKEN'
        : 'OVERDUE'
    // Said once: a sentence that is renewed at each run would make a change of what has not changed.
    if (instance.reason === reason) continue
    // Its guest has a notice, of which its host keeps the end.
    if (reason === 'OVERDUE' && instance.reason === maintenanceReason) continue
    await store.setStatusMessage({ uid, revision, reason, message: waitSentence(reason, instance), nowMs })
  }
}

/** For a person: since when, and what it waits for. */
export function waitSentence(
  wait: Wait,
  { status, statusSinceMs }: Pick<InstanceRecord, 'status' | 'statusSinceMs'>,
): string {
  return `${status} since ${formatTimestamp(statusSinceMs)}, longer than it should take: ${waitWords[wait]}`
}

const waitWords: Readonly<Record<Wait, string>> = {
  HOST_SILENT:
    'its host is not connected, so what happens there is unknown. It goes on when the host is back; nothing is lost or freed meanwhile.',
  COMMAND_NOT_TAKEN:
    'its host is connected and has not taken the request yet. It is delivered again until the host takes it.',
  OVERDUE:
    "its host is connected, has taken the request and has not finished. An operator finds the reason in the agent's log.",
}

async function listOverdue(store: DeadlinePorts['store'], nowMs: number): Promise<readonly InstanceRecord[]> {
  const lists: (readonly InstanceRecord[])[] = []
  for (const [deadlineMs, statuses] of statusesByDeadline()) {
    lists.push(await store.listInStatusSince({ statuses, beforeMs: nowMs - deadlineMs }))
  }
  return lists.flat()
}

function statusesByDeadline(): ReadonlyMap<number, readonly InstanceStatus[]> {
  const byDeadline = new Map<number, InstanceStatus[]>()
  for (const status of instanceStatuses) {
    const { deadlineMs } = instanceLifecycle[status]
    if (deadlineMs === undefined) continue
    byDeadline.set(deadlineMs, [...(byDeadline.get(deadlineMs) ?? []), status])
  }
  return byDeadline
}
