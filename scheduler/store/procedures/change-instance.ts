import { clone, create, toBinary } from '@bufbuild/protobuf'
import {
  CellShareSchema,
  DesiredState,
  EnsureInstanceSchema,
  GpuSchema,
  type InstanceSpec,
  InstanceSpecSchema,
  MaintenanceSchema,
  MetadataItemSchema,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { DiskUid } from '../../../proto/ids.ts'
import {
  type Decision,
  decideVerb,
  goalOf,
  longestNoticeMs,
  maintenanceReason,
} from '../../lifecycle/verbs.ts'
import { type Holding, type InstanceRecord, nowhere } from '../../model/instance.ts'
import { inCells } from '../../model/numa-cells.ts'
import type { Demand } from '../../model/placement.ts'
import { computeAmounts } from '../../model/quota.ts'
import type { ChangeInstance, ChangeInstanceOutcome } from '../store.ts'
import { forgetAttributes, writeAttributes } from './attributes.ts'
import { changeDisks } from './change-disks.ts'
import { nextChange } from './changes.ts'
import { claimCompute, claimDiskRoom } from './claims.ts'
import { checkSlotDevices, claimDevices } from './device-claims.ts'
import { withoutLeavingDisks } from './disk-use.ts'
import { appendEvent } from './events.ts'
import { withFirewalls } from './firewalls.ts'
import { readHostState } from './host-state.ts'
import { findByIdempotencyKey, rememberKey } from './idempotency.ts'
import { rejoinOccupants } from './occupants.ts'
import { startOperation } from './operations.ts'
import { queueEnsureInstance } from './outbox.ts'
import { takeQuota } from './quotas.ts'
import { findInstanceRow } from './read-instances.ts'
import { Refused } from './refused.ts'
import { removeInstance } from './release.ts'
import { instanceFromRow, type Tx } from './rows.ts'

/** A verb on an instance, whole or not at all. @throws Refused */
export async function changeInstance(tx: Tx, input: ChangeInstance): Promise<ChangeInstanceOutcome> {
  if (input.idempotency) {
    const known = await findByIdempotencyKey(tx, input.idempotency)
    if (known.kind !== 'unused') return known
  }
  const row = await findInstanceRow(tx, input.project, input.idOrUid)
  if (!row) return { kind: 'not-found' }
  if (input.ifRevision !== undefined && input.ifRevision !== row.revision) {
    return { kind: 'revision-mismatch', revision: row.revision }
  }
  const before = instanceFromRow(row)
  const decision = decideVerb(input.verb, before, {
    isForced: input.isForced ?? false,
    isForMaintenance: input.maintenanceNoticeMs !== undefined,
  })
  if (decision.kind === 'refused') return { kind: 'wrong-state', message: decision.message }
  const isLost = await isLostWithHost(tx, before)
  const { instance, isDone, ...about } =
    decision.kind === 'already'
      ? { instance: await noteOperation(tx, before, input), isDone: isAt(before, input) }
      : await carryOut(tx, before, { input, decision, tellsHost: !isLost && isHostsBusiness(before, input) })
  await startOperation(tx, { ...input, instance, isDone, ...about })
  if (input.idempotency) {
    await rememberKey(tx, input.idempotency, { ...input, uid: instance.uid })
  }
  if (isLost && input.verb === 'delete') await removeInstance(tx, instance, input)
  return { kind: 'accepted', instance }
}

/**
 * Whether it is on no host, or that was fenced since: given up with all that was on it. No session tells that host anything before an
 * operator has emptied it, so nobody would ever answer.
 */
async function isLostWithHost(tx: Tx, { hostId, holds }: InstanceRecord): Promise<boolean> {
  if (hostId === nowhere) return true
  return holds === 'nothing' && (await readHostState(tx, hostId)) === 'fenced'
}

const isAt = ({ status }: InstanceRecord, { verb }: ChangeInstance) => goalOf(verb) === status

async function noteOperation(
  tx: Tx,
  before: InstanceRecord,
  { operationId }: ChangeInstance,
): Promise<InstanceRecord> {
  const row = await tx
    .updateTable('instances')
    .set({ operation_id: operationId, change: await nextChange(tx) })
    .where('uid', '=', before.uid)
    .returningAll()
    .executeTakeFirstOrThrow()
  return instanceFromRow(row)
}

interface Change {
  readonly input: ChangeInstance
  readonly decision: Extract<Decision, { kind: 'change' }>
  readonly tellsHost: boolean
}

async function carryOut(
  tx: Tx,
  before: InstanceRecord,
  { input, decision, tellsHost }: Change,
): Promise<{ instance: InstanceRecord; isDone: boolean; diskUid?: DiskUid }> {
  const isBegun = decision.asks === 'start' && before.holds === 'storage'
  const started = isBegun ? inCells(before.demand, input.cells) : before.demand
  const holds = await claimForStart(tx, { ...before, demand: started }, { input, decision })
  const demand = input.verb === 'suspend' ? await claimForMemory(tx, before) : started
  const disks = await changeDisks(tx, before, input)
  const spec = disks?.spec ?? specAfter(before, input)
  const details = disks?.details ?? input.details
  const generation = before.generation + (tellsHost ? 1 : 0)
  const message = decision.message ?? before.statusMessage
  const reason = decision.reason ?? before.reason
  const row = await tx
    .updateTable('instances')
    .set({
      ...(decision.status === before.status ? {} : { status: decision.status, status_since_ms: input.nowMs }),
      ...(details === undefined ? {} : { details: JSON.stringify(details) }),
      spec: toBinary(InstanceSpecSchema, spec),
      status_message: message,
      reason,
      desired_state: decision.desiredState,
      generation,
      start_generation: decision.asks === 'start' ? generation : before.startGeneration,
      reset_generation: decision.asks === 'reset' ? generation : before.resetGeneration,
      holds,
      demand: JSON.stringify(demand),
      operation_id: input.operationId,
      change: await nextChange(tx),
      revision: before.revision + 1,
      updated_at_ms: input.nowMs,
    })
    .where('uid', '=', before.uid)
    .returningAll()
    .executeTakeFirstOrThrow()
  const instance = instanceFromRow(row)
  if (input.details !== undefined) {
    await forgetAttributes(tx, instance.uid)
    await writeAttributes(tx, instance.uid, input.details)
  }
  await appendEvent(tx, {
    instanceUid: before.uid,
    from: before.status,
    to: decision.status,
    reason: decision.reason ?? 'UPDATED',
    message: decision.message ?? 'Changed as asked.',
    atMs: input.nowMs,
    requestId: input.requestId,
  })
  if (tellsHost) await queueChange(tx, instance, input)
  return { instance, isDone: !tellsHost, ...(disks?.diskUid === undefined ? {} : { diskUid: disks.diskUid }) }
}

/** CPU, memory and GPUs that its stop gave back are taken again. */
async function claimForStart(
  tx: Tx,
  { uid, project, hostId, demand, holds }: InstanceRecord,
  { input, decision }: Omit<Change, 'tellsHost'>,
): Promise<Holding> {
  if (decision.asks !== 'start' || holds !== 'storage') return holds
  const { slotUid } = demand
  if (slotUid !== undefined) {
    const unfit = await checkSlotDevices(tx, { hostId, project, slotUid })
    if (unfit) throw new Refused(unfit)
    return 'everything'
  }
  await takeQuota(tx, project, computeAmounts(demand))
  const devices = (input.gpus ?? []).map(({ address }) => address)
  const lost =
    (await claimCompute(tx, { hostId, demand })) ??
    (await claimDevices(tx, { hostId, project, uid, devices })) ??
    (await rejoinOccupants(tx, { uid, hostId, demand, nowMs: input.nowMs }))
  if (lost) throw new Refused(lost)
  return 'everything'
}

/** Its memory will lie on the host's disk. @throws Refused */
async function claimForMemory(tx: Tx, { hostId, demand }: InstanceRecord): Promise<Demand> {
  const suspendedGb = Math.ceil(demand.memoryMib / 1024)
  const lost = await claimDiskRoom(tx, hostId, suspendedGb)
  if (lost) throw new Refused(lost)
  return { ...demand, suspendedGb }
}

function specAfter(
  { spec, holds }: InstanceRecord,
  { gpus, cells, details, verb }: ChangeInstance,
): InstanceSpec {
  const after = clone(InstanceSpecSchema, spec)
  if ((verb === 'start' || verb === 'resume') && holds === 'storage') {
    after.gpus = (gpus ?? []).map((gpu) => create(GpuSchema, gpu))
    after.cells = (cells ?? []).map((share) => create(CellShareSchema, share))
  }
  if (details !== undefined) {
    after.metadata = details.instanceMetadata.map((item) => create(MetadataItemSchema, item))
  }
  return after
}

/** Labels and the like never leave the scheduler, and a host that holds nothing of it has nobody to show metadata to. */
function isHostsBusiness({ details, holds }: InstanceRecord, input: ChangeInstance): boolean {
  if (input.verb !== 'update') return true
  const hasNewMetadata =
    JSON.stringify(input.details?.instanceMetadata) !== JSON.stringify(details.instanceMetadata)
  return hasNewMetadata && holds !== 'nothing'
}

async function queueChange(tx: Tx, instance: InstanceRecord, input: ChangeInstance): Promise<void> {
  const { uid, hostId, generation, desiredState, startGeneration, resetGeneration } = instance
  // What changes while it is stopped for work on its host does not take its notice away: hosts keep the shorter of two.
  const isMaintained = instance.reason === maintenanceReason && desiredState === DesiredState.STOPPED
  const noticeMs = input.maintenanceNoticeMs ?? (isMaintained ? longestNoticeMs : undefined)
  const spec = await withFirewalls(tx, await withoutLeavingDisks(tx, instance))
  await queueEnsureInstance(tx, {
    hostId,
    commandId: input.commandId,
    requestId: input.requestId,
    uid,
    generation,
    ensure: create(EnsureInstanceSchema, {
      desiredState,
      ...(desiredState === DesiredState.ABSENT ? {} : { spec }),
      stopDeadlineMs: input.isForced ? 0 : input.stopDeadlineMs,
      startGeneration,
      resetGeneration,
      ...(noticeMs === undefined ? {} : { maintenance: create(MaintenanceSchema, { noticeMs }) }),
    }),
  })
}
