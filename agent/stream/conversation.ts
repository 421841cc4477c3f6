import { create, toBinary } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import { describeCauses, type Logger } from '../../lib/log.ts'
import {
  type Answer,
  AnswerSchema,
  type Command,
  CommandAckSchema,
  CommandOutcome,
  type ConsoleQuery,
  GuestAttributesAnswerSchema,
  type GuestAttributesQuery,
  GuestAttributesSchema,
  HeartbeatSchema,
  type Query,
  QueryErrorSchema,
  SerialAnswerSchema,
  type SerialQuery,
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
  type Welcome,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { AgentStream } from './client.ts'
import type { AgentSide, Observation } from './ports.ts'
import { ReportQueue } from './report-queue.ts'
import type { SendBytes } from './send-bytes.ts'
import type { ServeConsole } from './serve-console.ts'

export interface ConversationOptions {
  readonly stream: AgentStream
  readonly side: AgentSide
  readonly clock: Clock
  readonly log: Logger
  readonly onReady: (welcome: Welcome) => void
  /** Once, with the reason. */
  readonly onOver: (why: string) => void
  readonly sendBytes: SendBytes
  readonly serveConsole: ServeConsole
}

type RequestBody = Exclude<SessionRequest['body'], { case: undefined }>

/** What is said in one session after the agent's Hello, until it is over. */
export class Conversation {
  readonly #options: ConversationOptions
  readonly #reports: ReportQueue
  #isOver = false
  #lastHeardMs: number
  #silenceAfterMs = 30_000
  /** Commands are journalled one after the other, in their order. */
  #inTurn: Promise<void> = Promise.resolve()
  readonly #stops: (() => void)[] = []
  readonly #ending = new AbortController()

  constructor(options: ConversationOptions) {
    this.#options = options
    const { stream, clock } = options
    this.#lastHeardMs = clock.monotonicMs()
    this.#reports = new ReportQueue({
      send: (body) => this.#write(body),
      onDurable: (one) => {
        if (one.$typeName !== 'berth.agent.v1.HostFacts') options.side.reported(one)
      },
    })
    stream.on('data', (response: SessionResponse) => this.#take(response))
    stream.on('drain', () => this.#reports.resume())
    stream.on('error', (error) => this.end(describeCauses(error)))
    stream.on('end', () => this.end('the scheduler has ended the session'))
    stream.on('close', () => this.end('the connection is closed'))
    this.#stops.push(clock.after(this.#silenceAfterMs, () => this.#endIfSilent()))
  }

  end(why: string): void {
    if (this.#isOver) return
    this.#isOver = true
    for (const stop of this.#stops) stop()
    this.#ending.abort()
    this.#options.stream.cancel()
    this.#options.onOver(why)
  }

  #take(response: SessionResponse): void {
    this.#lastHeardMs = this.#options.clock.monotonicMs()
    const { body } = response
    switch (body.case) {
      case 'welcome':
        this.#enqueue(() => this.#welcome(body.value))
        return
      case 'refusal':
        this.#options.log.error({ reason: body.value.reason }, body.value.message)
        this.end(body.value.message)
        return
      case 'command':
        this.#enqueue(() => this.#command(body.value))
        return
      case 'reportAck':
        this.#reports.acknowledge(body.value.sequence)
        return
      case 'networkMembers':
        this.#enqueue(() => this.#options.side.takeMembers(body.value))
        return
      case 'query':
        void this.#answer(body.value)
        return
      // That it came is all a heartbeat says; the unknown is of a newer scheduler.
      case 'heartbeat':
      case undefined:
        return
    }
  }

  async #welcome(welcome: Welcome): Promise<void> {
    const { side, clock } = this.#options
    await side.welcomed(welcome.epoch, welcome.identityIssuer)
    this.#silenceAfterMs = welcome.silenceAfterMs
    this.#stops.push(
      clock.every(welcome.heartbeatIntervalMs, () => {
        const sentAtUnixMs = BigInt(clock.nowMs())
        this.#write({ case: 'heartbeat', value: create(HeartbeatSchema, { sentAtUnixMs }) })
        this.#endIfSilent()
      }),
    )
    // First everything that is here, then what changes: in between nothing is missed, for both go through one queue.
    const stop = side.onObservation((observation) => this.#reports.add(observation))
    this.#stops.push(stop)
    this.#stops.push(side.onFacts((facts) => this.#reports.add(facts)))
    const known = side.observations()
    for (const observation of known) this.#reports.add(observation)
    const isInstance = ({ $typeName }: Observation) => $typeName === 'berth.agent.v1.InstanceObservation'
    this.#reports.completeInventory(known.filter(isInstance).length)
    this.#options.onReady(welcome)
  }

  async #command(command: Command): Promise<void> {
    const { outcome, message } = await this.#accept(command)
    const { sequence, commandId } = command
    this.#write({
      case: 'commandAck',
      value: create(CommandAckSchema, { sequence, commandId, outcome, message }),
    })
  }

  async #accept(command: Command): ReturnType<AgentSide['accept']> {
    const { side } = this.#options
    if (command.epoch < side.position().epoch) {
      return { outcome: CommandOutcome.STALE, message: 'The command is of an epoch that is over.' }
    }
    if (command.body.case === undefined) {
      return { outcome: CommandOutcome.UNSUPPORTED, message: `Agent ${side.agentVersion} does not know it.` }
    }
    return side.accept(command)
  }

  async #answer({ queryId, body }: Query): Promise<void> {
    const { side, log } = this.#options
    const answer = (value: Answer['body']) =>
      this.#write({ case: 'answer', value: create(AnswerSchema, { queryId, body: value }) })
    const fail = (reason: string, message: string) =>
      answer({ case: 'error', value: create(QueryErrorSchema, { reason, message }) })
    try {
      switch (body.case) {
        case 'serial':
          return void answer(await this.#readSerial(body.value))
        case 'guestAttributes':
          return void answer(await this.#readGuestAttributes(body.value))
        case 'console': {
          const refused = await this.#openConsole(body.value)
          if (refused !== undefined) answer(refused)
          return
        }
        case undefined:
          fail('UNSUPPORTED', `Agent ${side.agentVersion} does not know the question.`)
      }
    } catch (thrown) {
      const instanceUid = body.value?.instanceUid
      log.warn({ err: thrown, instanceUid }, 'A question could not be answered.')
      fail('FAILED', 'The host could not read this or send it; its agent has the reason in its log.')
    }
  }

  // Bytes before the answer: whoever gets the answer has them all.

  async #readSerial(asked: SerialQuery): Promise<Answer['body']> {
    const range = await this.#options.side.readSerial(asked)
    if (range.kind === 'unavailable') return errorOf(range)
    const { start, next, bytes } = range
    if (bytes.length > 0) await this.#options.sendBytes(asked.transferId, bytes)
    return { case: 'serial', value: create(SerialAnswerSchema, { start, next }) }
  }

  async #readGuestAttributes({ instanceUid, transferId }: GuestAttributesQuery): Promise<Answer['body']> {
    const outcome = await this.#options.side.readGuestAttributes(instanceUid)
    if (outcome.kind === 'unavailable') return errorOf(outcome)
    const bytes = toBinary(GuestAttributesSchema, outcome.attributes)
    if (bytes.length > 0) await this.#options.sendBytes(transferId, bytes)
    const value = create(GuestAttributesAnswerSchema, { bytes: bytes.length })
    return { case: 'guestAttributes', value }
  }

  /** undefined where the call that carries it is the answer. */
  async #openConsole({ instanceUid, transferId, start }: ConsoleQuery): Promise<Answer['body'] | undefined> {
    const outcome = await this.#options.side.openConsole(instanceUid, start)
    if (outcome.kind === 'unavailable') return errorOf(outcome)
    const { signal } = this.#ending
    this.#options.serveConsole({ transferId, console: outcome.console, signal })
    return undefined
  }

  #endIfSilent(): void {
    if (this.#options.clock.monotonicMs() - this.#lastHeardMs >= this.#silenceAfterMs) {
      this.end('the scheduler has been silent for too long')
    }
  }

  #enqueue(work: () => Promise<void>): void {
    this.#inTurn = this.#inTurn.then(async () => {
      if (this.#isOver) return
      try {
        await work()
      } catch (thrown) {
        // Not acknowledged: it comes again in the next session.
        this.#options.log.error({ err: thrown }, 'What the scheduler said could not be taken.')
        this.end(describeCauses(thrown))
      }
    })
  }

  /** False when the stream wants a pause, for what has no bound of its own. */
  #write(body: RequestBody): boolean {
    if (this.#isOver) return true
    return this.#options.stream.write(create(SessionRequestSchema, { body }))
  }
}

const errorOf = ({ reason, message }: { reason: string; message: string }): Answer['body'] => ({
  case: 'error',
  value: create(QueryErrorSchema, { reason, message }),
})
