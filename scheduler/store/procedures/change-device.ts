import { create } from '@bufbuild/protobuf'
import { DeviceAction, EnsureDeviceSchema } from '../../../proto/gen/berth/agent/v1/device_pb.ts'
import type { DeviceRecord, DeviceVerb } from '../../model/device.ts'
import type { ChangeDevice, ChangeDeviceOutcome } from '../device-store.ts'
import type { IdempotencyKey } from '../store.ts'
import { findDevice } from './device-rows.ts'
import { readHostState } from './host-state.ts'
import { findKey, rememberKey } from './idempotency.ts'
import { queueCommand } from './outbox.ts'
import type { Tx } from './rows.ts'
import { touchHost } from './sequences.ts'

const actions: Readonly<Record<DeviceVerb, DeviceAction>> = {
  release: DeviceAction.RELEASE,
  quarantine: DeviceAction.QUARANTINE,
  reset: DeviceAction.RESET,
}

/** An operator's word on a device: the command for its host, and that it was asked, or nothing. */
export async function changeDevice(tx: Tx, input: ChangeDevice): Promise<ChangeDeviceOutcome> {
  const { hostId, address, verb, requestId, nowMs } = input
  const state = await readHostState(tx, hostId)
  if (state === undefined) return { kind: 'not-found', what: 'host' }
  const before = await findDevice(tx, input)
  if (before === undefined) return { kind: 'not-found', what: 'device' }
  const known = input.idempotency && (await answerKey(tx, input.idempotency, before))
  if (known) return known
  if (state === 'fenced') {
    return { kind: 'wrong-state', message: `Host ${hostId} is fenced: nobody there carries anything out.` }
  }
  const refusal = await refuseVerb(tx, before, verb)
  if (refusal !== undefined) return { kind: 'wrong-state', message: refusal }
  const generation = (await readGeneration(tx, input)) + 1
  await tx
    .updateTable('devices')
    .set({
      command_generation: generation,
      ...{ command_verb: verb, command_request_id: requestId, command_at_ms: nowMs },
      ...{ command_error_reason: null, command_error_message: null },
    })
    .where('host_id', '=', hostId)
    .where('address', '=', address)
    .execute()
  await queueCommand(tx, {
    ...{ hostId, commandId: input.commandId, requestId, uid: address, generation },
    body: {
      case: 'ensureDevice',
      value: create(EnsureDeviceSchema, { action: actions[verb], reason: input.reason ?? '' }),
    },
  })
  if (input.idempotency) {
    await rememberKey(tx, input.idempotency, { uid: uidOf(before), operationId: '', nowMs })
  }
  await touchHost(tx, hostId)
  return { kind: 'accepted', device: (await findDevice(tx, input)) ?? before }
}

/** The latest that was asked or taken: another store may have asked this host before. */
async function readGeneration(
  tx: Tx,
  { hostId, address }: Pick<ChangeDevice, 'hostId' | 'address'>,
): Promise<number> {
  const row = await tx
    .selectFrom('devices')
    .select(['generation', 'command_generation'])
    .where('host_id', '=', hostId)
    .where('address', '=', address)
    .executeTakeFirstOrThrow()
  return Math.max(row.generation, row.command_generation)
}

const uidOf = ({ hostId, address }: DeviceRecord) => `${hostId}/${address}`

async function answerKey(
  tx: Tx,
  key: IdempotencyKey,
  device: DeviceRecord,
): Promise<ChangeDeviceOutcome | undefined> {
  const known = await findKey(tx, key)
  if (!known) return undefined
  const isSame = known.request_hash === key.requestHash && known.instance_uid === uidOf(device)
  return isSame ? { kind: 'accepted', device } : { kind: 'other-request' }
}

/** What agents give as the reason of a device that is to be quarantined once its guest has let go. */
const quarantineAsked = 'QUARANTINE_ASKED'

async function refuseVerb(tx: Tx, device: DeviceRecord, verb: DeviceVerb): Promise<string | undefined> {
  const { address, state, reason, unscrubbedProject } = device
  const isAway = state === 'QUARANTINED' || reason === quarantineAsked
  if (verb === 'release' && !isAway && unscrubbedProject === undefined) {
    return `Device ${address} is ${state} and not unscrubbed: there is nothing to release it from.`
  }
  if (verb !== 'reset') return undefined
  const holder = await findHolder(tx, device)
  if (holder === undefined) return undefined
  return `Device ${address} belongs to instance ${holder.id} of project ${holder.project}: stop or delete it first.`
}

/** A stopped one in a place of a reservation keeps the claim, and has no guest that a reset could harm. */
const findHolder = (tx: Tx, { hostId, address }: DeviceRecord) =>
  tx
    .selectFrom('device_claims')
    .innerJoin('instances', 'instances.uid', 'device_claims.instance_uid')
    .select(['instances.project', 'instances.id'])
    .where('device_claims.host_id', '=', hostId)
    .where('device_claims.address', '=', address)
    .where('instances.holds', '=', 'everything')
    .executeTakeFirst()
