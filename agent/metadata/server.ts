// Answers the guests of one network about themselves only. Who asks is the pair of listening socket and source
// address, which the filter at the guest's tap makes true; nothing that a guest says counts.
import { createServer, type IncomingMessage, type Server } from 'node:http'
import type { Socket } from 'node:net'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import { type Answer, notReady, tooFast } from './answer.ts'
import { type AskerLimits, createAskers } from './askers.ts'
import { answerAttributes, asksForAttributes, changeAttribute } from './attribute-answer.ts'
import type { AttributeStore } from './attribute-store.ts'
import { answerWith, parseQuestion, type Question } from './document.ts'
import type { DocumentFiles } from './document-files.ts'
import { answerEc2, answerWithoutToken } from './ec2-answer.ts'
import { answerToken } from './ec2-question.ts'
import { createEc2Tokens, type Ec2Tokens } from './ec2-tokens.ts'
import { answerGce } from './gce-answer.ts'
import type { GceQuestion } from './gce-question.ts'
import type { IdentityFile } from './identity-file.ts'
import { answerIdentity } from './identity-token.ts'
import { answerOpenstack } from './openstack.ts'
import { waitForChange } from './wait-for-change.ts'

export interface MetadataServerOptions {
  readonly documents: DocumentFiles
  /** As the agent has written it last; undefined where it has not. */
  readonly readIdentity: () => Promise<IdentityFile | undefined>
  readonly attributes: AttributeStore
  readonly clock: Clock
  readonly random: Random
  readonly log: Logger
  readonly limits?: AskerLimits
  /** Of requests for guest attributes and of changes of them, which are not just read from a small file. */
  readonly attributeLimits?: AskerLimits
}

const defaultLimits: AskerLimits = { connections: 16, burst: 200, perSecond: 100 }
const defaultAttributeLimits: AskerLimits = { connections: 0, burst: 30, perSecond: 10 }
/** A connection on which nothing moves, whichever side is slow. */
const idleTimeoutMs = 30_000

export function createMetadataServer(options: MetadataServerOptions): Server {
  const tokens = createEc2Tokens(options.random.bytes(32))
  // For answers that nobody waits for: an abort for each would cost more than the answer.
  const neverGone = new AbortController().signal
  const askers = createAskers(options.limits ?? defaultLimits, options.clock)
  const attributeAskers = createAskers(options.attributeLimits ?? defaultAttributeLimits, options.clock)
  const server = createServer({
    maxHeaderSize: 8 * 1024,
    headersTimeout: 5000,
    requestTimeout: 10_000,
    keepAliveTimeout: 5000,
    connectionsCheckingInterval: 1000,
  })
  server.maxHeadersCount = 64
  server.maxConnections = 1024
  server.timeout = idleTimeoutMs

  server.on('connection', (socket) => {
    const address = addressOf(socket)
    if (!askers.opened(address)) {
      socket.destroy()
      return
    }
    socket.once('close', () => askers.closed(address))
  })

  server.on('request', (request, response) => {
    const address = addressOf(request.socket)
    const reply = (answer: Answer) => {
      const length = Buffer.byteLength(answer.body)
      response.writeHead(answer.status, { ...answer.headers, 'content-length': length })
      // A string leaves with the head in one piece.
      response.end(request.method === 'HEAD' ? undefined : answer.body)
    }
    if (!askers.asks(address)) {
      reply(tooFast)
      return
    }
    const question = parseQuestion(request.method ?? '', request.url ?? '', request.headers)
    const isCostly =
      question.kind === 'attribute-change' || (question.kind === 'gce' && asksForAttributes(question))
    if (isCostly && !attributeAskers.asks(address)) {
      reply(tooFast)
      return
    }
    let signal = neverGone
    if (question.kind === 'gce' && question.wait !== undefined) {
      const gone = new AbortController()
      signal = gone.signal
      response.once('close', () => gone.abort())
      // Nothing moves on the connection until there is news.
      request.socket.setTimeout(0)
      response.once('finish', () => request.socket.setTimeout(idleTimeoutMs))
    }
    answerTo(question, { address, signal, request }, { ...options, tokens }).then(
      reply,
      (thrown: unknown) => {
        // Not the message: that of a parser quotes what it could not parse.
        const code = thrown instanceof Error && 'code' in thrown ? thrown.code : 'malformed'
        options.log.error({ address, code }, 'A request could not be answered.')
        reply(notReady('The host can not read or write this at the moment.\n'))
      },
    )
  })
  return server
}

interface Asking {
  readonly address: string
  readonly signal: AbortSignal
  readonly request: IncomingMessage
}

type Means = MetadataServerOptions & { readonly tokens: Ec2Tokens }

async function answerTo(question: Question, asking: Asking, means: Means): Promise<Answer> {
  const { documents, clock, tokens } = means
  const { address } = asking
  switch (question.kind) {
    case 'refused':
      return question.answer
    case 'document':
      return answerWith(await documents.read(address), question.name)
    case 'gce':
      return answerGceTo(question, asking, means)
    case 'attribute-change':
      return changeAttribute(question, await documents.read(address), { ...means, ...asking })
    case 'identity': {
      const [document, identity] = await Promise.all([documents.read(address), means.readIdentity()])
      return answerIdentity(question, document, { identity, nowMs: clock.nowMs() })
    }
    case 'ec2-token': {
      const { ttlSeconds } = question
      return answerToken(tokens.issue(address, clock.nowMs() + ttlSeconds * 1000), ttlSeconds)
    }
    case 'ec2': {
      const document = await documents.read(address)
      const isGood = question.token !== undefined && tokens.isGood(question.token, address, clock.nowMs())
      return isGood ? answerEc2(document, question.path) : answerWithoutToken(document, question.path)
    }
    case 'openstack':
      return answerOpenstack(await documents.read(address), question)
  }
}

function answerGceTo(
  question: GceQuestion,
  { address, signal }: Asking,
  { documents, attributes, clock }: MetadataServerOptions,
): Promise<Answer> {
  const answer = async () => {
    const document = await documents.read(address)
    if (asksForAttributes(question)) return answerAttributes(question, document, attributes)
    return document === undefined
      ? notReady('The metadata of this instance is not ready yet.\n')
      : answerGce(document.gce, question)
  }
  const { wait } = question
  if (wait === undefined) return answer()
  return waitForChange({
    wait,
    clock,
    answer,
    signal,
    watch: (onChange) => documents.watch(address, onChange),
  })
}

/** Of a socket that is closed already there is none, and nobody to answer. */
function addressOf(socket: Socket): string {
  return socket.remoteAddress?.replace(/^::ffff:/, '') ?? ''
}
