import { create, fromBinary, toBinary } from '@bufbuild/protobuf'
import type { EnsureInstance } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type Command, CommandSchema, ObjectKind } from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../../proto/ids.ts'
import type { Tx } from './rows.ts'

const kinds = {
  ensureInstance: ObjectKind.INSTANCE,
  ensureDisk: ObjectKind.DISK,
  ensureNetwork: ObjectKind.NETWORK,
  ensureDevice: ObjectKind.DEVICE,
} as const

interface Queued {
  readonly hostId: string
  readonly commandId: string
  readonly requestId: string
  readonly uid: string
  readonly generation: number
}

export const queueEnsureInstance = (
  tx: Tx,
  { ensure, ...command }: Queued & { readonly ensure: EnsureInstance },
): Promise<void> => queueCommand(tx, { ...command, body: { case: 'ensureInstance', value: ensure } })

/** Queues a command for a host under the host's next sequence: gapless, in commit order. */
export async function queueCommand(
  tx: Tx,
  command: Queued & { readonly body: Command['body'] },
): Promise<void> {
  const host = await tx
    .updateTable('hosts')
    .set((row) => ({ next_command_sequence: row('next_command_sequence', '+', 1) }))
    .where('host_id', '=', command.hostId)
    .returning(['next_command_sequence', 'epoch'])
    .executeTakeFirstOrThrow()
  const sequence = host.next_command_sequence - 1
  const message = create(CommandSchema, {
    sequence: BigInt(sequence),
    commandId: command.commandId,
    requestId: command.requestId,
    epoch: host.epoch,
    kind: kinds[command.body.case ?? 'ensureInstance'],
    uid: command.uid,
    generation: command.generation,
    body: command.body,
  })
  await tx
    .insertInto('outbox')
    .values({ host_id: command.hostId, sequence, command: toBinary(CommandSchema, message) })
    .execute()
}

/** Commands carry the host's epoch of when they are read: an older one would be void on the host. */
export async function readOutbox(
  tx: Tx,
  input: { hostId: HostId; fromSequence: number; limit: number },
): Promise<readonly Command[]> {
  const host = await tx
    .selectFrom('hosts')
    .select('epoch')
    .where('host_id', '=', input.hostId)
    .executeTakeFirst()
  if (!host) return []
  const rows = await tx
    .selectFrom('outbox')
    .select('command')
    .where('host_id', '=', input.hostId)
    .where('sequence', '>=', input.fromSequence)
    .orderBy('sequence')
    .limit(input.limit)
    .execute()
  return rows.map((row) => ({ ...fromBinary(CommandSchema, row.command), epoch: host.epoch }))
}

/** An acknowledgement of what was never queued is of another history: it would delete what was not received. */
export async function acknowledgeCommands(
  tx: Tx,
  input: { hostId: HostId; throughSequence: number },
): Promise<void> {
  const advanced = await tx
    .updateTable('hosts')
    .set({ acknowledged_sequence: input.throughSequence })
    .where('host_id', '=', input.hostId)
    .where('acknowledged_sequence', '<', input.throughSequence)
    .where('next_command_sequence', '>', input.throughSequence)
    .executeTakeFirst()
  if (advanced.numUpdatedRows === 0n) return
  await tx
    .deleteFrom('outbox')
    .where('host_id', '=', input.hostId)
    .where('sequence', '<=', input.throughSequence)
    .execute()
}
