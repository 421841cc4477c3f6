// Brings one host's outbox to its session: in order, at most a window ahead of the acknowledgements. In: the outbox and
// nudges; out: commands. It never decides what a command says and never skips one. What was delivered and not
// acknowledged is delivered again by the next session.
import { fromBinary } from '@bufbuild/protobuf'
import { type Command, type CommandAck, CommandSchema } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { QueuedCommand, Store } from '../store/store.ts'

export interface Delivery {
  /** The outbox may have something new. */
  nudge(): void
  /** It has this: sent without being read again where it is the next. */
  offer(command: QueuedCommand): void
  /** Sends outside of the outbox, under sequence 0: acknowledged like others, remembered nowhere. */
  repeat(command: Command): Promise<void>
  /** The command that this acknowledges, or why it acknowledges none. */
  match(ack: CommandAck): AckMatch
  /** Makes room for the next ones. */
  settle(command: Command): void
  stop(): void
}

export type AckMatch =
  | { readonly kind: 'matched'; readonly command: Command; readonly isRepeat: boolean }
  | { readonly kind: 'unexpected'; readonly message: string }

export interface DeliveryOptions {
  readonly hostId: HostId
  readonly nextSequence: number
  readonly store: Pick<Store, 'readOutbox'>
  readonly windowSize: number
  readonly send: (command: Command) => Promise<void>
  /** The store can't be read: the session had better begin again. */
  readonly onFailure: (thrown: unknown) => void
}

export function startDelivery(options: DeliveryOptions): Delivery {
  const inFlight: Command[] = []
  const repeats = new Map<string, Command>()
  let nextSequence = options.nextSequence
  const stopping = new AbortController()
  const isStopped = () => stopping.signal.aborted
  let isRunning = false
  let isNudged = false

  /** A nudge that comes during a read may be about what the read has missed. */
  function takeNudge(): boolean {
    const wasNudged = isNudged
    isNudged = false
    return wasNudged
  }

  async function deliverSome(): Promise<'more' | 'none'> {
    const room = options.windowSize - inFlight.length
    if (isStopped() || room <= 0) return 'none'
    const { hostId, store } = options
    const commands = await store.readOutbox({ hostId, fromSequence: nextSequence, limit: room })
    for (const command of commands) {
      if (isStopped()) return 'none'
      inFlight.push(command)
      nextSequence = Number(command.sequence) + 1
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
    offer: ({ sequence, encoded }) => {
      if (isStopped()) return
      if (isRunning || sequence !== nextSequence || inFlight.length >= options.windowSize) {
        nudge()
        return
      }
      const command = fromBinary(CommandSchema, encoded)
      inFlight.push(command)
      nextSequence = sequence + 1
      // A peer that is slow is not waited for here: the window is what it can be behind.
      options.send(command).catch(options.onFailure)
    },
    repeat: async (command) => {
      repeats.set(command.commandId, command)
      await options.send(command)
    },
    match: (ack) => {
      const repeated = ack.sequence === 0n ? repeats.get(ack.commandId) : undefined
      if (repeated) return { kind: 'matched', command: repeated, isRepeat: true }
      const [oldest] = inFlight
      if (oldest?.sequence === ack.sequence) return { kind: 'matched', command: oldest, isRepeat: false }
      const due = oldest === undefined ? 'none is due' : `${oldest.sequence} is due`
      return { kind: 'unexpected', message: `Sequence ${ack.sequence} was acknowledged and ${due}.` }
    },
    settle: (command) => {
      if (inFlight[0] === command) inFlight.shift()
      repeats.delete(command.commandId)
    },
    stop: () => stopping.abort(),
  }
}
