// Brings one host's outbox to its session: in order, at most a window ahead of the acknowledgements. In: the outbox and
// nudges; out: commands. It never decides what a command says and never skips one. What was delivered and not
// acknowledged is delivered again by the next session.
import { toBinary } from '@bufbuild/protobuf'
import { type Command, type CommandAck, CommandSchema } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { QueuedCommand } from '../model/queued-command.ts'
import type { Store } from '../store/store.ts'

export interface Delivery {
  /** The outbox may have something new. */
  nudge(): void
  /** It has this: sent without being read again where it is the next. */
  offer(command: QueuedCommand): void
  /** Sends outside of the outbox, under sequence 0: acknowledged like others, remembered nowhere. */
  repeat(command: Command): Promise<void>
  /** The command that this acknowledges, or why it acknowledges none. */
  match(ack: CommandAck): AckMatch
  /** Makes room for the next ones, and sends those that have waited for it. */
  settle(command: QueuedCommand): void
  stop(): void
}

export type AckMatch =
  | { readonly kind: 'matched'; readonly command: QueuedCommand; readonly isRepeat: boolean }
  | { readonly kind: 'unexpected'; readonly message: string }

export interface DeliveryOptions {
  readonly hostId: HostId
  readonly nextSequence: number
  readonly store: Pick<Store, 'readOutbox'>
  readonly windowSize: number
  readonly send: (command: QueuedCommand) => Promise<void>
  /** The store can't be read: the session had better begin again. */
  readonly onFailure: (thrown: unknown) => void
}

export function startDelivery(options: DeliveryOptions): Delivery {
  const inFlight: QueuedCommand[] = []
  const repeats = new Map<string, QueuedCommand>()
  let nextSequence = options.nextSequence
  let hasStopped = false
  const isStopped = () => hasStopped
  let isRunning = false
  let isNudged = false
  /** Something was not sent for want of room. */
  let isFull = false

  /** A nudge that comes during a read may be about what the read has missed. */
  function takeNudge(): boolean {
    const wasNudged = isNudged
    isNudged = false
    return wasNudged
  }

  async function deliverSome(): Promise<'more' | 'none'> {
    const room = options.windowSize - inFlight.length
    isFull = room <= 0
    if (isStopped() || isFull) return 'none'
    const { hostId, store } = options
    const commands = await store.readOutbox({ hostId, fromSequence: nextSequence, limit: room })
    for (const command of commands) {
      if (isStopped()) return 'none'
      inFlight.push(command)
      nextSequence = command.sequence + 1
      await options.send(command)
    }
    return commands.length === room ? 'more' : 'none'
  }

  async function run(): Promise<void> {
    isRunning = true
    try {
      while (takeNudge()) {
        while ((await deliverSome()) === 'more');
      }
    } catch (thrown) {
      if (!isStopped()) options.onFailure(thrown)
    } finally {
      isRunning = false
    }
  }

  function nudge(): void {
    isNudged = true
    if (!isRunning && !isStopped()) void run()
  }

  return {
    nudge,
    offer: (command) => {
      if (isStopped()) return
      if (isRunning || command.sequence !== nextSequence || inFlight.length >= options.windowSize) {
        nudge()
        return
      }
      inFlight.push(command)
      nextSequence = command.sequence + 1
      // A peer that is slow is not waited for here: the window is what it can be behind.
      options.send(command).catch(options.onFailure)
    },
    repeat: async (command) => {
      const queued = { sequence: 0, encoded: toBinary(CommandSchema, command) }
      repeats.set(command.commandId, queued)
      await options.send(queued)
    },
    match: (ack) => {
      const repeated = ack.sequence === 0n ? repeats.get(ack.commandId) : undefined
      if (repeated) {
        repeats.delete(ack.commandId)
        return { kind: 'matched', command: repeated, isRepeat: true }
      }
      const [oldest] = inFlight
      if (oldest !== undefined && BigInt(oldest.sequence) === ack.sequence) {
        return { kind: 'matched', command: oldest, isRepeat: false }
      }
      const due = oldest === undefined ? 'none is due' : `${oldest.sequence} is due`
      return { kind: 'unexpected', message: `Sequence ${ack.sequence} was acknowledged and ${due}.` }
    },
    settle: (command) => {
      if (inFlight[0] === command) inFlight.shift()
      if (isFull) nudge()
    },
    stop: () => {
      hasStopped = true
    },
  }
}
