import type { Releases } from '../../lifecycle/transition.ts'
import { type Holding, type InstanceRecord, nowhere } from '../../model/instance.ts'
import { computeAmounts, storageAmounts } from '../../model/quota.ts'
import { forgetAttributes } from './attributes.ts'
import { rememberDeletion } from './changes.ts'
import { releaseClaims, releaseCompute } from './claims.ts'
import { letDisksGo } from './disk-use.ts'
import { appendEvent } from './events.ts'
import { endOperationsOfDeleted } from './operations.ts'
import { prepare } from './prepared.ts'
import { giveQuotaBack } from './quotas.ts'
import type { Tx } from './rows.ts'
import { forgetUses } from './uses.ts'
import { leaveQueue } from './waiting.ts'

/** Gives claims and quota back. Only proof leads here: of tear-down, or of an operator who fenced the host. */
export async function releaseFrom(
  tx: Tx,
  before: InstanceRecord,
  { releases, nowMs }: { releases: Releases; nowMs: number },
): Promise<Holding> {
  const { project, demand, details, holds } = before
  const compute = holds === 'everything' ? computeAmounts(demand) : {}
  switch (releases) {
    case 'nothing':
      return holds
    case 'compute':
      await releaseCompute(tx, before)
      await giveQuotaBack(tx, project, compute)
      return 'storage'
    case 'everything':
      await letDisksGo(tx, before.uid, nowMs)
      if (holds === 'nothing') return holds
      await releaseClaims(tx, before)
      await giveQuotaBack(tx, project, { ...compute, ...storageAmounts(demand, details.nics.length) })
      return 'nothing'
  }
}

const deleteInstance = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.deleteFrom('instances').where('uid', '=', uid),
)

/** Nothing of it is left anywhere: the row goes, its events and operations stay. */
export async function removeInstance(
  tx: Tx,
  before: InstanceRecord,
  { requestId, nowMs }: { requestId: string; nowMs: number },
): Promise<void> {
  const { uid, project, status } = before
  if (before.hostId === nowhere) await leaveQueue(tx, before)
  await releaseFrom(tx, before, { releases: 'everything', nowMs })
  await giveQuotaBack(tx, project, { instances: 1 })
  await endOperationsOfDeleted(tx, uid, nowMs)
  await appendEvent(tx, {
    ...{ instanceUid: uid, from: status, to: null, reason: 'DELETED', atMs: nowMs, requestId },
    message: 'Deleted: its host holds nothing of it any more.',
  })
  await forgetAttributes(tx, uid)
  await forgetUses(tx, uid)
  await deleteInstance.run(tx, { uid })
  await rememberDeletion(tx, before, nowMs)
}
