import type { HostId } from '../../../proto/ids.ts'
import type { InstanceStatus } from '../../../proto/instance-state.ts'
import type { HostState } from '../../model/placement.ts'
import type { FenceHost, FenceHostOutcome, SetHostState, SetHostStateOutcome } from '../host-store.ts'
import { nextChange } from './changes.ts'
import { loseDeviceCommands } from './device-reports.ts'
import { loseDisks } from './disk-reports.ts'
import { appendEvent } from './events.ts'
import { settleOperations } from './operations.ts'
import { prepare } from './prepared.ts'
import { listInstancesOnHost } from './read-instances.ts'
import { releaseFrom, removeInstance } from './release.ts'
import { loseSlots } from './reservations.ts'
import { instanceFromRow, type Tx } from './rows.ts'
import { touchHost } from './sequences.ts'

export async function setHostState(tx: Tx, input: SetHostState): Promise<SetHostStateOutcome> {
  const state = await readHostState(tx, input.hostId)
  if (state === undefined) return { kind: 'not-found' }
  if (state === 'fenced') return { kind: 'fenced' }
  await writeState(tx, input.hostId, { state: input.state, nowMs: input.nowMs })
  return { kind: 'done' }
}

const lost = {
  reason: 'HOST_FENCED',
  message: 'Its host was lost for good, with the disks that were there. Delete it, and create it anew.',
} as const

export async function fenceHost(tx: Tx, input: FenceHost): Promise<FenceHostOutcome> {
  const { hostId, requestId, nowMs } = input
  if ((await readHostState(tx, hostId)) === undefined) return { kind: 'not-found' }
  const instances = await listInstancesOnHost(tx, hostId)
  for (const before of instances) {
    if (before.status === 'DEPROVISIONING') {
      await removeInstance(tx, before, { requestId, nowMs })
      continue
    }
    const holds = await releaseFrom(tx, before, { releases: 'everything', nowMs })
    await appendEvent(tx, {
      ...{ instanceUid: before.uid, from: before.status, to: 'FAILED', ...lost, atMs: nowMs, requestId },
    })
    const row = await tx
      .updateTable('instances')
      .set({
        status: 'FAILED' satisfies InstanceStatus,
        status_since_ms: nowMs,
        status_message: lost.message,
        reason: lost.reason,
        holds,
        change: await nextChange(tx),
        revision: before.revision + 1,
        updated_at_ms: nowMs,
      })
      .where('uid', '=', before.uid)
      .returningAll()
      .executeTakeFirstOrThrow()
    const after = instanceFromRow(row)
    await settleOperations(tx, after, { generation: after.generation, nowMs })
  }
  await loseDisks(tx, hostId, nowMs)
  await loseSlots(tx, hostId)
  await loseDeviceCommands(tx, hostId)
  // Nothing is left to tell it.
  await tx.deleteFrom('outbox').where('host_id', '=', hostId).execute()
  await writeState(tx, hostId, { state: 'fenced', nowMs })
  return { kind: 'fenced', instances: instances.length }
}

const findState = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx.selectFrom('hosts').select('state').where('host_id', '=', hostId),
)

export async function readHostState(tx: Tx, hostId: HostId): Promise<HostState | undefined> {
  const row = await findState.first(tx, { hostId })
  return row?.state as HostState | undefined
}

async function writeState(
  tx: Tx,
  hostId: HostId,
  { state, nowMs }: { state: HostState; nowMs: number },
): Promise<void> {
  await tx.updateTable('hosts').set({ state, updated_at_ms: nowMs }).where('host_id', '=', hostId).execute()
  await touchHost(tx, hostId)
}
