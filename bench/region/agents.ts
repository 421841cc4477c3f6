// The process of the simulated agents: agents.ts ADDRESS COUNT, asked by agents-process.ts.
import { create } from '@bufbuild/protobuf'
import { Client, type ClientDuplexStream, credentials, Metadata } from '@grpc/grpc-js'
import { grpcServiceOf } from '../../lib/grpc-service.ts'
import { type HostFacts, HostFactsSchema } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import {
  DesiredState,
  InstanceObservationSchema,
  InstancePhase,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  AgentService,
  type Command,
  CommandAckSchema,
  CommandOutcome,
  HelloSchema,
  InventoryCompleteSchema,
  ReportSchema,
  type SessionRequest,
  SessionRequestSchema,
  type SessionResponse,
} from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { AgentsAnswer, AgentsQuestion } from './agents-process.ts'
import { agentToken, gpuPciId, hostIdOf, zone } from './settings.ts'

const [address = '', countText = '0'] = process.argv.slice(2)
const count = Number(countText)
const method = grpcServiceOf(AgentService)['session']
if (method === undefined) throw new Error('The service has no sessions.')

type Session = ClientDuplexStream<SessionRequest, SessionResponse>

const told: [uid: string, hostId: string][] = []
let gone = 0
let settled = 0
let lastMs = 0
let check = () => {}
const note = () => {
  lastMs = performance.now()
  check()
}

class SimulatedAgent {
  readonly #hostId: string
  #client: Client | undefined
  #session: Session | undefined
  #epoch = 0
  #lastCommand = 0n
  #report = 0n

  constructor(index: number) {
    this.#hostId = hostIdOf(index)
  }

  connect(): void {
    const client = new Client(address, credentials.createInsecure(), {
      'grpc.use_local_subchannel_pool': 1,
      'grpc.initial_reconnect_backoff_ms': 100,
    })
    const metadata = new Metadata()
    metadata.set('authorization', `Bearer ${agentToken}`)
    metadata.set('berth-host-id', this.#hostId)
    const session: Session = client.makeBidiStreamRequest(
      method?.path ?? '',
      method?.requestSerialize as (message: SessionRequest) => Buffer,
      method?.responseDeserialize as (bytes: Buffer) => SessionResponse,
      metadata,
    )
    this.#client = client
    this.#session = session
    this.#report = 0n
    session.on('data', ({ body }: SessionResponse) => this.#take(body))
    session.on('error', (error) => {
      if (this.#session === session) process.stderr.write(`${this.#hostId}: ${error.message}\n`)
    })
    this.#say({
      case: 'hello',
      value: create(HelloSchema, {
        ...{ hostId: this.#hostId, zone, journalUuid: `journal-${this.#hostId}`, bootId: 'boot-1' },
        ...{ agentVersion: '0.1.0', facts, epoch: this.#epoch, lastCommandSequence: this.#lastCommand },
      }),
    })
  }

  break(): void {
    const session = this.#session
    this.#session = undefined
    session?.cancel()
    this.#client?.close()
  }

  #take(body: SessionResponse['body']): void {
    switch (body.case) {
      case 'welcome':
        this.#epoch = body.value.epoch
        this.#reportBody({ case: 'inventoryComplete', value: create(InventoryCompleteSchema) })
        return
      case 'command':
        this.#obey(body.value)
        return
      case 'reportAck':
        // The first is of the full list: the scheduler knows all that there is.
        if (body.value.sequence !== 1n) return
        settled += 1
        note()
        return
      default:
        return
    }
  }

  #obey({ sequence, commandId, body, uid, generation, epoch, requestId }: Command): void {
    this.#lastCommand = sequence
    this.#say({
      case: 'commandAck',
      value: create(CommandAckSchema, { sequence, commandId, outcome: CommandOutcome.ACCEPTED }),
    })
    if (body.case !== 'ensureInstance') return
    if (body.value.desiredState === DesiredState.ABSENT) {
      const observation = create(InstanceObservationSchema, {
        ...{ uid, generation, epoch, requestId, phase: InstancePhase.ABSENT, released: true, settled: true },
      })
      this.#reportBody({ case: 'instance', value: observation })
      gone += 1
    } else told.push([uid, this.#hostId])
    note()
  }

  #reportBody(body: ReturnType<typeof create<typeof ReportSchema>>['body']): void {
    this.#report += 1n
    this.#say({ case: 'report', value: create(ReportSchema, { sequence: this.#report, body }) })
  }

  #say(body: SessionRequest['body']): void {
    this.#session?.write(create(SessionRequestSchema, { body }))
  }
}

const facts: HostFacts = create(HostFactsSchema, {
  ...{ hostname: 'bench', architecture: 'x86_64', kernel: '6.1.0', cpus: 192, memoryMib: 2_097_152n },
  ...{ diskGb: 20_000n, allocatableVcpus: 184, allocatableMemoryMib: 2_000_000, allocatableDiskGb: 19_000 },
  virtualization: { accelerator: 1, reason: 'KVM works.', qemuVersion: '7.2.0' },
  features: ['stateful-filter', 'rate-limit'],
  uplinks: [{ interface: 'eth1', physicalNetwork: 'default', mtu: 9000 }],
  devices: Array.from({ length: 8 }, (_, slot) => ({
    ...{ address: `0000:${(slot * 16 + 0x19).toString(16)}:00.0`, ...gpuPciId, class: '030200' },
    ...{ numaNode: slot < 4 ? 0 : 1, iommuGroup: String(slot + 10), driver: 'vfio-pci' },
    ...{ bridges: [`0000:${(slot >> 1) + 1}0:01.0`], resetMethods: ['flr', 'bus'] },
  })),
})

const agents = Array.from({ length: count }, (_, index) => new SimulatedAgent(index))

let used = process.cpuUsage()

function answerWhen(isReached: () => boolean, answer: () => Pick<AgentsAnswer, 'told'>): void {
  const fromMs = performance.now()
  check = () => {
    if (!isReached()) return
    check = () => {}
    const { user, system } = process.cpuUsage(used)
    used = process.cpuUsage()
    const processorMs = (user + system) / 1000
    process.send?.({
      ...answer(),
      ...{ tookMs: Math.max(0, lastMs - fromMs), processorMs },
    } satisfies AgentsAnswer)
  }
  check()
}

process.on('message', (question: AgentsQuestion) => {
  switch (question.ask) {
    case 'connect':
      settled = 0
      for (const agent of agents) agent.connect()
      return answerWhen(
        () => settled === count,
        () => ({}),
      )
    case 'break':
      for (const agent of agents) agent.break()
      return answerWhen(
        () => true,
        () => ({}),
      )
    case 'told':
      return answerWhen(
        () => told.length >= question.count,
        () => ({ told: told.splice(0) }),
      )
    case 'gone':
      return answerWhen(
        () => gone >= question.count,
        () => {
          gone = 0
          return {}
        },
      )
  }
})
process.on('disconnect', () => process.exit(0))
