import { DesiredState } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { instanceUid } from '../../../proto/ids.ts'
import { type InstanceRecord, nowhere } from '../../model/instance.ts'
import { computeAmounts, storageAmounts } from '../../model/quota.ts'
import { maximumWaiting, waitingReason } from '../../model/waiting.ts'
import type { EnqueueInstance, EnqueueInstanceOutcome } from '../waiting-store.ts'
import { writeAttributes } from './attributes.ts'
import { appendAudit } from './audit.ts'
import { nextChange } from './changes.ts'
import {
  claimAddresses,
  findNamesake,
  insertInstance,
  nicAddresses,
  pickAddresses,
  specWithAddresses,
  withAddresses,
} from './commit-placement.ts'
import { appendEvent } from './events.ts'
import { findByIdempotencyKey, rememberKey } from './idempotency.ts'
import { startOperation } from './operations.ts'
import { takeQuota } from './quotas.ts'
import { Refused } from './refused.ts'
import { rowOfInstance, type Tx } from './rows.ts'
import { writeUses } from './uses.ts'

/**
 * As a placement, but for what a host has a part in. Its quota counts from now on: whoever waits must not find it used up
 * when there is room at last. @throws Refused
 */
export async function enqueueInstance(tx: Tx, input: EnqueueInstance): Promise<EnqueueInstanceOutcome> {
  if (input.idempotency) {
    const known = await findByIdempotencyKey(tx, input.idempotency)
    if (known.kind !== 'unused') return known
  }
  const namesake = await findNamesake.first(tx, input)
  if (namesake) return { kind: 'name-taken', uid: instanceUid(namesake.uid) }
  if ((await countWaiting(tx, input.project)) >= maximumWaiting) {
    return { kind: 'queue-full', maximum: maximumWaiting }
  }
  await takeQuota(tx, input.project, {
    instances: 1,
    ...computeAmounts(input.demand),
    ...storageAmounts(input.demand, input.addresses.length),
  })
  const addresses = await pickAddresses(tx, input)
  const nics = nicAddresses(input.spec, addresses)
  const details = withAddresses(input.details, nics)
  const instance: InstanceRecord = {
    ...{ uid: input.uid, project: input.project, id: input.id, hostId: nowhere },
    ...{ details, spec: specWithAddresses(input.spec, nics) },
    ...{ demand: input.demand, explanation: input.explanation },
    ...{ status: 'PENDING', statusMessage: input.statusMessage, reason: waitingReason },
    ...{ desiredState: DesiredState.RUNNING, generation: 1, startGeneration: 1, resetGeneration: 0 },
    ...{ holds: 'nothing', operationId: input.operationId, revision: 1 },
    ...{ statusSinceMs: input.nowMs, createdAtMs: input.nowMs, updatedAtMs: input.nowMs },
  }
  await insertInstance.run(tx, { ...rowOfInstance(instance), change: await nextChange(tx) })
  await writeAttributes(tx, input.uid, details)
  if (!(await writeUses(tx, input.uid, input.uses))) throw new Refused({ kind: 'resource-gone' })
  await claimAddresses(tx, input, addresses)
  await tx
    .insertInto('waiting')
    .values({
      ...{ instance_uid: input.uid, project: input.project, zone: input.wish.zone },
      ...{ demand: JSON.stringify(input.wish), since_ms: input.nowMs, until_ms: input.untilMs },
      ...{ stop_deadline_ms: input.stopDeadlineMs, request_id: input.requestId },
    })
    .execute()
  await appendEvent(tx, {
    ...{ instanceUid: input.uid, from: null, to: 'PENDING', reason: waitingReason },
    ...{ message: input.statusMessage, atMs: input.nowMs, requestId: input.requestId },
  })
  await startOperation(tx, { ...input, verb: 'create', instance })
  if (input.idempotency) await rememberKey(tx, input.idempotency, input)
  if (input.audit) await appendAudit(tx, input.audit)
  return { kind: 'waiting', instance }
}

async function countWaiting(tx: Tx, project: string): Promise<number> {
  const { count } = await tx
    .selectFrom('waiting')
    .select((row) => row.fn.countAll<number>().as('count'))
    .where('project', '=', project)
    .executeTakeFirstOrThrow()
  return Number(count)
}
