import { create, toBinary } from '@bufbuild/protobuf'
import type { EnsureInstance } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type Command, CommandSchema, ObjectKind } from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { type HostId, hostId } from '../../../proto/ids.ts'
import type { QueuedCommand } from '../../model/queued-command.ts'
import { prepare, prepareInsert } from './prepared.ts'
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
): Promise<QueuedCommand> => queueCommand(tx, { ...command, body: { case: 'ensureInstance', value: ensure } })

const takeSequence = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx
    .updateTable('hosts')
    .set((row) => ({ next_command_sequence: row('next_command_sequence', '+', 1) }))
    .where('host_id', '=', hostId)
    .returning(['next_command_sequence', 'epoch']),
)

const insertCommand = prepareInsert('outbox', ['host_id', 'sequence', 'command'])

/** Queues a command for a host under the host's next sequence: gapless, in commit order. */
export async function queueCommand(
  tx: Tx,
  command: Queued & { readonly body: Command['body'] },
): Promise<QueuedCommand> {
  const host = await takeSequence.first(tx, command)
  if (host === undefined) throw new Error(`There is no host ${command.hostId} to be told.`)
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
  const encoded = toBinary(CommandSchema, message)
  await insertCommand.run(tx, { host_id: command.hostId, sequence, command: encoded })
  return { sequence, encoded }
}

export const findEpoch = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx.selectFrom('hosts').select('epoch').where('host_id', '=', hostId),
)

const listCommands = prepare(
  (tx: Tx, { hostId, fromSequence, limit }: { hostId: string; fromSequence: number; limit: number }) =>
    tx
      .selectFrom('outbox')
      .select(['sequence', 'command'])
      .where('host_id', '=', hostId)
      .where('sequence', '>=', fromSequence)
      .orderBy('sequence')
      .limit(limit),
)

/** Commands carry the host's epoch of when they are read: an older one would be void on the host. */
export async function readOutbox(
  tx: Tx,
  input: { hostId: HostId; fromSequence: number; limit: number },
): Promise<readonly QueuedCommand[]> {
  const host = await findEpoch.first(tx, input)
  if (!host) return []
  const rows = await listCommands.all(tx, input)
  const epoch = toBinary(CommandSchema, create(CommandSchema, { epoch: host.epoch }))
  // In one piece: memory of its own for each would be copied to the other thread one by one.
  const bytes = new Uint8Array(rows.reduce((sum, { command }) => sum + command.length + epoch.length, 0))
  let end = 0
  return rows.map(({ sequence, command }) => {
    const start = end
    // Of a field that comes twice, the last one counts.
    bytes.set(command, start)
    bytes.set(epoch, start + command.length)
    end += command.length + epoch.length
    return { sequence, encoded: bytes.subarray(start, end) }
  })
}

const findFirst = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx.selectFrom('outbox').select('sequence').where('host_id', '=', hostId).orderBy('sequence').limit(1),
)

/** Of the first command that is not acknowledged: those that are have gone. */
export async function findFirstQueued(tx: Tx, hostId: string): Promise<number | undefined> {
  return (await findFirst.first(tx, { hostId }))?.sequence
}

const listHosts = prepare((tx: Tx) => tx.selectFrom('outbox').select('host_id').distinct())

export async function listHostsWithCommands(tx: Tx): Promise<readonly HostId[]> {
  return (await listHosts.all(tx, {})).map(({ host_id }) => hostId(host_id))
}

interface Acknowledged {
  readonly hostId: string
  readonly throughSequence: number
}

const deleteThrough = prepare((tx: Tx, { hostId, throughSequence }: Acknowledged) =>
  tx
    .deleteFrom('outbox')
    .where('host_id', '=', hostId)
    .where('sequence', '<=', throughSequence)
    .where(({ exists, selectFrom }) =>
      exists(
        selectFrom('hosts')
          .select('host_id')
          .where('host_id', '=', hostId)
          .where('next_command_sequence', '>', throughSequence),
      ),
    ),
)

/** An acknowledgement of what was never queued is of another history: it would delete what was not received. */
export async function acknowledgeCommands(
  tx: Tx,
  input: { hostId: HostId; throughSequence: number },
): Promise<void> {
  await deleteThrough.run(tx, input)
}
