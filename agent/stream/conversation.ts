import { create } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import { describeCauses, type Logger } from '../../lib/log.ts'
import {
  AnswerSchema,
  type Command,
  CommandAckSchema,
  CommandOutcome,
  HeartbeatSchema,
  type Query,
  QueryErrorSchema,
  SerialAnswerSchema,
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
  type Welcome,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { AgentStream } from './client.ts'
import type { AgentSide, Observation } from './ports.ts'
import { ReportQueue } from './report-queue.ts'
import type { SendBytes } from './send-bytes.ts'

export interface ConversationOptions {
  readonly stream: AgentStream
  readonly side: AgentSide
  readonly clock: Clock
  readonly log: Logger
  readonly onReady: (welcome: Welcome) => void
  /** Once, with the reason. */
  readonly onOver: (why: string) => void
  readonly sendBytes: SendBytes
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

  constructor(options: ConversationOptions) {
    this.#options = options
    const { stream, clock } = options
    this.#lastHeardMs = clock.monotonicMs()
    this.#reports = new ReportQueue({
      send: (body) => this.#write(body),
      onDurable: (one) => options.side.reported(one),
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

  async #answer(query: Query): Promise<void> {
    const { side, sendBytes, log } = this.#options
    const answer = (body: Extract<RequestBody, { case: 'answer' }>['value']['body']) =>
      this.#write({ case: 'answer', value: create(AnswerSchema, { queryId: query.queryId, body }) })
    const fail = (reason: string, message: string) =>
      answer({ case: 'error', value: create(QueryErrorSchema, { reason, message }) })
    if (query.body.case !== 'serial') {
      fail('UNSUPPORTED', `Agent ${side.agentVersion} does not know the question.`)
      return
    }
    const asked = query.body.value
    try {
      const range = await side.readSerial(asked)
      if (range.kind === 'unavailable') {
        fail(range.reason, range.message)
        return
      }
      const { start, next, bytes } = range
      // Bytes before the answer: whoever gets the answer has them all.
      if (bytes.length > 0) await sendBytes(asked.transferId, bytes)
      answer({ case: 'serial', value: create(SerialAnswerSchema, { start, next }) })
    } catch (thrown) {
      log.warn({ err: thrown, instanceUid: asked.instanceUid }, 'A question could not be answered.')
      fail('FAILED', 'The host could not read the output or send it; its agent has the reason in its log.')
    }
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
