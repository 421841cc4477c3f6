// A region for tests: the real API, operations, placement and store behind real HTTP on loopback. The store is without its
// thread, which takes half a second to start. Only the agents are missing: hosts are registered by hand, and serial output
// is what a test says.

import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create, type MessageInitShape, toBinary } from '@bufbuild/protobuf'
import { systemClock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import { silentLogger } from '../../../lib/log.ts'
import { systemRandom } from '../../../lib/random.ts'
import { createTurns } from '../../../lib/turns.ts'
import { HostFactsSchema } from '../../../proto/gen/berth/agent/v1/host_pb.ts'
import {
  type HostPartSchema,
  InstanceObservationSchema,
  InstancePhase,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type HostId, hostId, pciAddress, projectId, zoneId } from '../../../proto/ids.ts'
import { startApiServer } from '../../../scheduler/api/server.ts'
import { createTokenVerifier } from '../../../scheduler/auth/verify-token.ts'
import { openCatalogue } from '../../../scheduler/catalogue/live-catalogue.ts'
import { type AuthSettings, readSettings, type Settings } from '../../../scheduler/config.ts'
import { createChangeFeed } from '../../../scheduler/operations/change-feed.ts'
import { createIdentityKeys } from '../../../scheduler/operations/identity-keys.ts'
import type {
  ConsoleChannel,
  ConsoleListener,
  GuestAttributesReading,
  SerialReading,
  Unavailable,
} from '../../../scheduler/operations/ports.ts'
import { openBlobStore } from '../../../scheduler/store/blob-store.ts'
import type { RegisterHost } from '../../../scheduler/store/host-store.ts'
import { openSqliteStore } from '../../../scheduler/store/sqlite/sqlite-store.ts'
import { openFleet } from '../../../scheduler/stream/fleet.ts'
import { openWaitingQueue } from '../../../scheduler/waiting/queue.ts'
import { createAnswerChecker, type OpenapiDocument } from '../../support/openapi.ts'
import { settingsFile } from '../admission/context.ts'
import { createIssuer } from '../auth/issuer.ts'
import { openInProcessStore } from '../store/in-process.ts'

/** The document is the same for every region; to read it takes a good part of a second. */
let checker: ReturnType<typeof createAnswerChecker> | undefined

export type Region = Awaited<ReturnType<typeof startRegion>>

export interface Answer {
  readonly status: number
  readonly headers: Headers
  // Tests look at answers of every kind; a wrong shape shows as a failed expectation.
  // biome-ignore lint/suspicious/noExplicitAny: see above
  readonly body: any
}

export async function startRegion(
  options: {
    hosts?: number
    log?: Logger
    requestsPerMinute?: number
    connected?: () => boolean
    ipv4Cidr?: string
    /** Of the hosts. */
    features?: readonly string[]
    /** The store in its thread and on disk: what is measured is what runs. */
    isMeasured?: boolean
    /** Instead of an issuer of its own. */
    auth?: AuthSettings
  } = {},
) {
  const folder = mkdtempSync(join(tmpdir(), 'berth-api-'))
  const log = options.log ?? silentLogger
  const issuer = await createIssuer()
  const store = options.isMeasured
    ? await openSqliteStore({ path: join(folder, 'store.db'), log })
    : await openInProcessStore()
  const nudged: HostId[] = []
  const serial: { reading: SerialReading } = {
    reading: { kind: 'unavailable', reason: 'NOT_CONNECTED', message: 'host-1 is not connected' },
  }
  const guestAttributes: { reading: GuestAttributesReading } = {
    reading: { kind: 'unavailable', reason: 'NOT_CONNECTED', message: 'host-1 is not connected' },
  }
  const consoleOf: { open: (listener: ConsoleListener) => Promise<ConsoleChannel | Unavailable> } = {
    open: async () => ({ kind: 'unavailable', reason: 'NOT_CONNECTED', message: 'host-1 is not connected' }),
  }
  const feed = createChangeFeed({ store, clock: systemClock })
  const dispatch = {
    nudge: (host: HostId) => void nudged.push(host),
    offer: (host: HostId) => void nudged.push(host),
  }
  const fleet = await openFleet({ store, isConnected: () => options.connected?.() ?? true })
  const waiting = await openWaitingQueue({
    store,
    fleet,
    dispatch,
    clock: systemClock,
    random: systemRandom,
    log,
  })
  const ports = {
    store,
    waiting,
    feed,
    identity: createIdentityKeys({ store, issuer: 'http://scheduler.example.net:8080/identity' }),
    turns: createTurns(),
    fleet,
    dispatch,
    queries: {
      readSerial: async () => serial.reading,
      readGuestAttributes: async () => guestAttributes.reading,
      openConsole: (_query: object, listener: ConsoleListener) => consoleOf.open(listener),
    },
    uploads: {
      url: 'http://scheduler.example.net:8080',
      blobs: await openBlobStore({
        directory: join(folder, 'images'),
        limitBytes: 1_000_000,
        random: systemRandom,
      }),
    },
    catalogue: await openCatalogue({
      store,
      settings: exampleSettings(options.ipv4Cidr),
      clock: systemClock,
    }),
    clock: systemClock,
    random: systemRandom,
    log,
  }
  for (let index = 1; index <= (options.hosts ?? 1); index += 1) {
    await store.registerHost({ ...exampleHost(index), features: options.features ?? [] })
  }
  const auth = options.auth ?? issuer.settings
  const verifier = createTokenVerifier({ settings: auth, clock: systemClock })
  const api = await startApiServer({
    host: '127.0.0.1',
    port: 0,
    ports,
    verifier,
    login: auth,
    requestsPerMinute: options.requestsPerMinute ?? 1e9,
  })
  const editor = await issuer.tokenFor('project-x9y8z7:editor')

  /** JSON in, JSON out, as an editor of the example project unless a token is given. */
  async function call(method: string, path: string, request: Call = {}): Promise<Answer> {
    const { token = editor, headers = {}, body, text } = request
    const content = text ?? (body === undefined ? undefined : JSON.stringify(body))
    const response = await fetch(`${api.url}${path}`, {
      method,
      headers: {
        ...(token === '' ? {} : { authorization: `Bearer ${token}` }),
        ...(content === undefined ? {} : { 'content-type': 'application/json' }),
        ...headers,
      },
      ...(content === undefined ? {} : { body: content }),
    })
    const answered = await response.text()
    const contentType = response.headers.get('content-type') ?? ''
    const json = contentType.startsWith('application/json')
    // What is documented and what is answered are the same, in every test.
    checker ??= createAnswerChecker(
      (await (await fetch(`${api.url}/openapi.json`)).json()) as OpenapiDocument,
    )
    const parsed = json ? (JSON.parse(answered) as unknown) : answered
    checker({ method, path, status: response.status, contentType, body: parsed })
    return {
      status: response.status,
      headers: response.headers,
      body: json ? (JSON.parse(answered) as unknown) : answered,
    }
  }

  /** As its host reports it. */
  async function report(
    project: string,
    id: string,
    seen: MessageInitShape<typeof InstanceObservationSchema>,
  ): Promise<void> {
    const instance = await store.findInstance(projectId(project), id)
    if (instance === undefined) throw new Error(`There is no ${id} to report of.`)
    const { uid, generation } = instance
    const { hosts } = await store.readHostsChangedAfter(0)
    const epoch = hosts.find((host) => host.hostId === instance.hostId)?.epoch ?? 0
    await store.applyObservation({
      hostId: instance.hostId,
      observation: create(InstanceObservationSchema, { ...seen, uid, generation, epoch }),
      nowMs: systemClock.nowMs(),
    })
  }

  /** As its host reports that it is up, on this part of the host. */
  const run = (id: string, hostPart: MessageInitShape<typeof HostPartSchema>) =>
    report('project-x9y8z7', id, { phase: InstancePhase.RUNNING, hostPart })

  /** As its host reports that nothing of it is left. */
  async function remove(id: string, project = 'project-x9y8z7'): Promise<void> {
    const token = await issuer.tokenFor('*:editor')
    const path = `/v1/regions/us-texas-1/projects/${project}/compute/instances/${id}`
    await call('DELETE', path, { token })
    await report(project, id, { phase: InstancePhase.ABSENT, released: true })
  }

  return {
    fleet,
    url: api.url,
    remove,
    run,
    issuer,
    store,
    nudged,
    serial,
    guestAttributes,
    consoleOf,
    call,
    close: async () => {
      await api.close()
      await waiting.close()
      feed.close()
      await store.close()
      rmSync(folder, { recursive: true })
    },
  }
}

/** The example's, with another range of addresses where many are needed. */
function exampleSettings(ipv4Cidr: string | undefined): Settings {
  const settings = readSettings(settingsFile)
  const [project, ...others] = settings.projects
  const [network, ...rest] = project?.networks ?? []
  if (ipv4Cidr === undefined || project === undefined || network === undefined) return settings
  const wide = { ...network, subnet: { ...network.subnet, ipv4Cidr } }
  return { ...settings, projects: [{ ...project, networks: [wide, ...rest] }, ...others] }
}

interface Call {
  readonly token?: string
  readonly headers?: Readonly<Record<string, string>>
  readonly body?: unknown
  /** A body that is sent as it stands. */
  readonly text?: string
}

export function exampleHost(index: number): RegisterHost {
  const facts = create(HostFactsSchema, {
    kernel: '6.1.0',
    virtualization: { reason: 'The CPU has no vmx or svm flag.', qemuVersion: '7.2.0', accelerator: 2 },
    warnings: [{ code: 'NO_KVM', message: 'Guests run without hardware virtualisation.' }],
  })
  return {
    hostId: hostId(`host-${index}`),
    zone: zoneId('us1-a'),
    lastCommandSequence: 0,
    journalUuid: `journal-${index}`,
    bootId: `boot-${index}`,
    agentVersion: '0.1.0',
    facts: toBinary(HostFactsSchema, facts),
    uplinks: [{ physicalNetwork: 'default', mtu: 9000 }],
    architecture: 'x86_64',
    vcpus: 16,
    memoryMib: 131_072,
    diskGb: 1000,
    devices: [0, 1].map((slot) => ({
      address: pciAddress(`0000:${index}${slot}:00.0`),
      pciId: '10de:2330',
      numaNode: 0,
    })),
    nowMs: 1_700_000_000_000,
  }
}

export const projectPath = '/v1/regions/us-texas-1/projects/project-x9y8z7'
export const instancesPath = `${projectPath}/compute/instances`
