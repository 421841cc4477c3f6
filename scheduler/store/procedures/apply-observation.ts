import { toBinary } from '@bufbuild/protobuf'
import { DesiredState, InstanceSpecSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type Transition, transitionInstance } from '../../lifecycle/transition.ts'
import type { InstanceRecord } from '../../model/instance.ts'
import type { Demand } from '../../model/placement.ts'
import type { ApplyObservation, ApplyObservationOutcome } from '../store.ts'
import type { InstanceRow } from '../tables.ts'
import { nextChange } from './changes.ts'
import { giveDiskRoomBack } from './claims.ts'
import { settleDisks } from './disk-use.ts'
import { appendEvent } from './events.ts'
import { countWhereItIs, readHostPart } from './host-part.ts'
import { settleOperations } from './operations.ts'
import { findEpoch } from './outbox.ts'
import { prepare } from './prepared.ts'
import { releaseFrom, removeInstance } from './release.ts'
import { instanceFromRow, type Tx } from './rows.ts'

const findOnHost = prepare((tx: Tx, { uid, hostId }: { uid: string; hostId: string }) =>
  tx.selectFrom('instances').selectAll().where('uid', '=', uid).where('host_id', '=', hostId),
)

/** One report of a host about one instance, through the lifecycle table. */
export async function applyObservation(tx: Tx, input: ApplyObservation): Promise<ApplyObservationOutcome> {
  const { observation, hostId } = input
  const row = await findOnHost.first(tx, { uid: observation.uid, hostId })
  if (!row) return { kind: 'unknown', message: `No instance ${observation.uid} is placed on ${hostId}.` }
  const epoch = (await findEpoch.first(tx, { hostId }))?.epoch ?? 0
  if (observation.epoch < epoch) {
    return {
      kind: 'stale',
      message: `The report is of epoch ${observation.epoch}, the host's is ${epoch}.`,
    }
  }
  if (observation.generation < row.generation) {
    return {
      kind: 'stale',
      message: `The report is of generation ${observation.generation}, the instance's is ${row.generation}.`,
    }
  }
  const before = instanceFromRow(row)
  const transition = transitionInstance({ ...before, message: before.statusMessage }, observation)
  const outcome = await carryOut(tx, { ...input, row, transition })
  if (!observation.settled || (outcome.kind !== 'applied' && outcome.kind !== 'unchanged')) return outcome
  const { generation, volumeUids } = observation
  const { nowMs } = input
  const moved = outcome.kind === 'applied' ? outcome.instance : before
  const disks = await settleDisks(tx, moved, { ...observation, nowMs })
  const after = disks === undefined ? moved : await writeDisks(tx, { ...moved, ...disks })
  await settleOperations(tx, after, { generation, nowMs, volumeUids })
  return disks === undefined ? outcome : { kind: 'applied', instance: after }
}

async function writeDisks(tx: Tx, { uid, spec, details, revision }: InstanceRecord): Promise<InstanceRecord> {
  const row = await tx
    .updateTable('instances')
    .set({
      ...{ spec: toBinary(InstanceSpecSchema, spec), details: JSON.stringify(details) },
      ...{ change: await nextChange(tx), revision: revision + 1 },
    })
    .where('uid', '=', uid)
    .returningAll()
    .executeTakeFirstOrThrow()
  return instanceFromRow(row)
}

async function carryOut(
  tx: Tx,
  step: ApplyObservation & { row: InstanceRow; transition: Transition },
): Promise<ApplyObservationOutcome> {
  const { row, transition, observation, nowMs } = step
  const before = instanceFromRow(row)
  const tell = (to: typeof before.status | null, reason: string, message: string) =>
    appendEvent(tx, {
      instanceUid: before.uid,
      from: before.status,
      to,
      reason,
      message,
      atMs: nowMs,
      requestId: observation.requestId,
    })
  switch (transition.kind) {
    case 'unchanged':
      await noteHostPart(tx, step)
      return { kind: 'unchanged' }
    case 'denied':
      return { kind: 'stale', message: transition.message }
    case 'removed':
      await removeInstance(tx, before, { requestId: observation.requestId, nowMs })
      return { kind: 'removed', uid: before.uid }
    case 'move':
    case 'update': {
      const holds = await releaseFrom(tx, before, { releases: transition.releases, nowMs })
      if (transition.kind === 'move') await tell(transition.to, transition.reason, transition.message)
      const wish = endsWish(before, transition)
      const isThere = transition.releases === 'nothing'
      const counted = isThere ? await countWhereItIs(tx, before, observation) : undefined
      const demand =
        (await giveMemoryRoomBack(tx, { ...before, demand: counted ?? before.demand }, transition)) ?? counted
      const updated = await tx
        .updateTable('instances')
        .set({
          ...(transition.kind === 'move' ? { status: transition.to, status_since_ms: nowMs } : {}),
          status_message: transition.message,
          reason: transition.reason,
          host_part: isThere ? readHostPart(observation) : null,
          holds,
          change: await nextChange(tx),
          ...(demand === undefined ? {} : { demand: JSON.stringify(demand) }),
          ...(wish === undefined ? {} : { desired_state: wish }),
          revision: row.revision + 1,
          updated_at_ms: nowMs,
        })
        .where('uid', '=', row.uid)
        .returningAll()
        .executeTakeFirstOrThrow()
      return { kind: 'applied', instance: instanceFromRow(updated) }
    }
  }
}

/** Nobody but operators sees it: it is no change of the instance. */
async function noteHostPart(
  tx: Tx,
  { row, observation }: { readonly row: InstanceRow; readonly observation: ApplyObservation['observation'] },
): Promise<void> {
  const part = readHostPart(observation)
  if (part === row.host_part) return
  const demand = await countWhereItIs(tx, instanceFromRow(row), observation)
  await tx
    .updateTable('instances')
    .set({ host_part: part, ...(demand === undefined ? {} : { demand: JSON.stringify(demand) }) })
    .where('uid', '=', row.uid)
    .execute()
}

/**
 * What a guest does by itself is as good as a request: a later change of its metadata must not start it again. The same
 * goes for a suspend that was given up, and for a resume that was.
 */
function endsWish({ desiredState }: InstanceRecord, transition: Transition): DesiredState | undefined {
  if (transition.kind !== 'move') return undefined
  const { RUNNING, STOPPED, SUSPENDED } = DesiredState
  if (transition.to === 'STOPPED' && desiredState !== STOPPED) return STOPPED
  if (transition.to === 'RUNNING' && desiredState === SUSPENDED) return RUNNING
  return transition.to === 'SUSPENDED' && desiredState === RUNNING ? SUSPENDED : undefined
}

/** Of an instance whose memory is not on the host's disk any more. */
async function giveMemoryRoomBack(
  tx: Tx,
  { hostId, demand, holds }: InstanceRecord,
  transition: Transition,
): Promise<Demand | undefined> {
  const { suspendedGb, ...rest } = demand
  const isGone = transition.kind === 'move' && ['RUNNING', 'STOPPED', 'FAILED'].includes(transition.to)
  if (suspendedGb === undefined || !isGone || holds === 'nothing') return undefined
  // A release of everything has given it back with the rest.
  if (transition.releases !== 'everything') await giveDiskRoomBack(tx, hostId, suspendedGb)
  return rest
}
