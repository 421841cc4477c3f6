// A region in one process: the real scheduler with its real store, without its thread, and gRPC, and real agents over fake
// hosts. Operations are called as the API calls them; HTTP has tests of its own.

import { stringify } from 'yaml'
import { type Agent, startAgent } from '../../agent/agent.ts'
import { createFakeHost, type FakeHost, simulatedSha256 } from '../../agent/host/fake/fake-host.ts'
import { parseShape } from '../../agent/host/fake/shape.ts'
import { systemClock } from '../../lib/clock.ts'
import { parseConfig } from '../../lib/config.ts'
import { silentLogger } from '../../lib/log.ts'
import { seededRandom, systemRandom } from '../../lib/random.ts'
import { createTurns } from '../../lib/turns.ts'
import { operationId, projectId } from '../../proto/ids.ts'
import type { CreateDiskRequest, DiskPatch } from '../../scheduler/admission/disk-request.ts'
import { openCatalogue } from '../../scheduler/catalogue/live-catalogue.ts'
import { Settings } from '../../scheduler/config.ts'
import type { ChangeVerb } from '../../scheduler/lifecycle/verbs.ts'
import type { DiskRecord } from '../../scheduler/model/disk.ts'
import type { InstanceRecord } from '../../scheduler/model/instance.ts'
import type { OperationRecord } from '../../scheduler/model/operation.ts'
import type { HostDevice, HostSnapshot } from '../../scheduler/model/placement.ts'
import type { Accepted } from '../../scheduler/operations/accepted.ts'
import { type AttachRequest, attachDisk } from '../../scheduler/operations/attach-disk.ts'
import { createChangeFeed } from '../../scheduler/operations/change-feed.ts'
import { type ChangeRequest, changeInstance } from '../../scheduler/operations/change-instance.ts'
import { createInstance } from '../../scheduler/operations/create-instance.ts'
import { type AcceptedDisk, createDisk, deleteDisk, updateDisk } from '../../scheduler/operations/disks.ts'
import { createIdentityKeys } from '../../scheduler/operations/identity-keys.ts'
import type { Outcome } from '../../scheduler/operations/outcome.ts'
import type { OperationPorts } from '../../scheduler/operations/ports.ts'
import { startAgentServer } from '../../scheduler/stream/agent-server.ts'
import { openWaitingQueue } from '../../scheduler/waiting/queue.ts'
import { openInProcessStore } from '../scheduler/store/in-process.ts'

const zone = 'us1-a'
const token = 'a token of this test alone'
export const identityIssuer = 'https://berth.example.net/v1/regions/us-texas-1/identity'
const settings = parseConfig(
  Settings,
  stringify({
    region: 'us-texas-1',
    http: { port: 0 },
    agents: { port: 0, token },
    store: { path: ':memory:' },
    auth: { issuer: 'http://127.0.0.1:1', audience: 'berth' },
    zones: [
      {
        id: zone,
        instanceTypes: [
          { id: 'g1-small', vcpus: 1, memoryMib: 1024, defaultImage: 'debian-12' },
          { id: 'g1-large', vcpus: 60, memoryMib: 1024, defaultImage: 'debian-12' },
        ],
        acceleratorTypes: [{ id: 'nvidia-h100-80gb', pciIds: ['10de:2330'] }],
      },
    ],
    images: [
      {
        id: 'debian-12',
        url: 'file:///simulated/debian-12.raw',
        sha256: simulatedSha256,
        format: 'raw',
        sizeGb: 2,
      },
    ],
    projects: [
      {
        id: 'project-x9y8z7',
        networks: [
          {
            id: 'default',
            uid: '0192a5b0-0000-7000-8000-4f2a90c1d3e5',
            subnet: { id: 'default', ipv4Cidr: '10.80.0.0/24' },
          },
        ],
      },
    ],
  }),
  'small-region.yaml',
)

export interface SmallRegion {
  readonly host: FakeHost
  readonly ports: OperationPorts
  create(body?: object): Promise<InstanceRecord>
  find(uid: string): Promise<InstanceRecord | undefined>
  delete(uid: string): Promise<void>
  change(verb: ChangeVerb, uid: string, changes?: Partial<ChangeRequest>): Promise<Accepted>
  attach(uid: string, body: AttachRequest['body']): Promise<Accepted>
  createDisk(body: CreateDiskRequest): Promise<DiskRecord>
  updateDisk(id: string, body: DiskPatch): Promise<AcceptedDisk>
  deleteDisk(id: string): Promise<AcceptedDisk>
  findDisk(id: string): Promise<DiskRecord | undefined>
  snapshot(): Promise<HostSnapshot>
  operation(id: string): Promise<OperationRecord | undefined>
  /** Until it is so; the limit ends a broken test. */
  until(
    uid: string,
    isSo: (instance: InstanceRecord | undefined) => boolean,
  ): Promise<InstanceRecord | undefined>
  /** Ends the agent as kill -9 would, as far as its state goes, and starts another on the same host. */
  restartAgent(): Promise<void>
  /** Until the scheduler has seen that it is gone. */
  stopAgent(): Promise<void>
  events(uid: string): Promise<readonly string[]>
  freeGpus(): Promise<number>
  close(): Promise<void>
}

export async function startSmallRegion(shape = '2xnvidia-h100-80gb'): Promise<SmallRegion> {
  const log = silentLogger
  const store = await openInProcessStore()
  const catalogue = await openCatalogue({ store, settings, clock: systemClock })
  const [project] = catalogue.projects
  if (project === undefined) throw new Error('The small region has no project.')
  const server = await startAgentServer({
    ...{ host: '127.0.0.1', port: 0, token, store, identityIssuer },
    ...{ clock: systemClock, random: systemRandom, log },
    // Some tests write to the store what no operation tells of.
    pollIntervalMs: 50,
  })
  const host = createFakeHost({
    name: 'sim-1',
    shape: parseShape(shape),
    bootId: seededRandom('boot').uuid(),
    nowMs: systemClock.nowMs,
  })
  const feed = createChangeFeed({ store, clock: systemClock })
  const waiting = await openWaitingQueue({
    ...{ store, fleet: server.fleet, dispatch: server.dispatch },
    ...{ clock: systemClock, random: systemRandom, log },
  })
  const ports: OperationPorts = {
    ...{ store, catalogue, log },
    turns: createTurns(),
    feed,
    identity: createIdentityKeys({ store, issuer: identityIssuer }),
    ...{ fleet: server.fleet, dispatch: server.dispatch, queries: server.queries, waiting },
    ...{ clock: systemClock, random: systemRandom },
  }
  let agent: Agent | undefined

  const isConnected = async () => server.fleet.snapshot()[0]?.connected === true
  const startOne = async () => {
    agent = await startAgent({
      settings: {
        ...{
          hostId: 'sim-1',
          zone,
          logLevel: 'error',
          uplinks: [],
          gateway: { interface: 'eth0', allowedRanges: [], deniedRanges: [], nameServers: ['192.0.2.53'] },
          accelerator: 'kvm',
          hypervisor: 'qemu',
          qemuProgram: 'qemu-system-x86_64',
          ...(host.switches ? { fabricManager: { program: '/usr/bin/fmpm' } } : {}),
        },
        scheduler: { address: `127.0.0.1:${server.port}`, token },
        directories: { state: '/state', run: '/run/berth' },
      },
      ...{ host, machine: host.machine, token, clock: systemClock, random: systemRandom, log, ownPid: 1 },
      factsIntervalMs: 50,
    })
    await poll('the host is connected', isConnected)
  }
  await startOne()

  const stopAgent = async () => {
    await agent?.close()
    await poll('the old session gone', async () => !(await isConnected()))
  }

  const change = async (verb: ChangeVerb, uid: string, changes: Partial<ChangeRequest> = {}) => {
    const outcome = await changeInstance(
      {
        ...{ verb, project: projectId(project.id), idOrUid: uid, body: null },
        ...{ principal: 'tester', requestId: 'req_test', ...changes },
      },
      ports,
    )
    if (outcome.kind !== 'done') throw new Error(JSON.stringify(outcome))
    return outcome.value
  }
  const asked = { project: projectId(project.id), principal: 'tester', requestId: 'req_test' }
  const done = <Value>(outcome: Outcome<Value>): Value => {
    if (outcome.kind !== 'done') throw new Error(JSON.stringify(outcome))
    return outcome.value
  }
  const snapshot = async () => {
    const [only] = server.fleet.snapshot()
    if (only === undefined) throw new Error('There is no host.')
    return only
  }
  const find = (uid: string) => store.findInstance(projectId(project.id), uid)
  return {
    host,
    ports,
    find,
    create: async (body = {}) => {
      const outcome = await createInstance(
        {
          ...{ principal: 'tester', requestId: 'req_test', serverHost: 'localhost' },
          project: catalogue.projects.find(({ id }) => id === project.id) ?? project,
          body: { type: 'g1-small', ...body },
        },
        ports,
      )
      if (outcome.kind !== 'done') throw new Error(JSON.stringify(outcome))
      return outcome.value.instance
    },
    delete: async (uid) => {
      await change('delete', uid)
    },
    change,
    snapshot,
    findDisk: (id) => store.findDisk(asked.project, id),
    createDisk: async (body) =>
      done(await createDisk({ ...asked, project, body, serverHost: 'localhost' }, ports)).disk,
    updateDisk: async (id, body) => done(await updateDisk({ ...asked, idOrUid: id, body }, ports)),
    deleteDisk: async (id) => done(await deleteDisk({ ...asked, idOrUid: id }, ports)),
    attach: async (uid, body) =>
      done(
        await attachDisk(
          { ...asked, idOrUid: uid, body, inProject: project, serverHost: 'localhost' },
          ports,
        ),
      ),
    operation: (id) => store.findOperation(projectId(project.id), operationId(id)),
    until: async (uid, isSo) => {
      let last: InstanceRecord | undefined
      await poll(`instance ${uid} is as wanted`, async () => {
        last = await find(uid)
        return isSo(last)
      })
      return last
    },
    stopAgent,
    restartAgent: async () => {
      // Until the scheduler has seen that it is gone, it would take the old session for the new one.
      await stopAgent()
      await startOne()
    },
    events: async (uid) =>
      (await store.listEvents(uid as InstanceRecord['uid'])).map(({ to }) => to ?? 'gone'),
    freeGpus: async () => {
      const [snapshot] = server.fleet.snapshot()
      const isFree = ({ claimedBy, state = 'FREE' }: HostDevice) =>
        claimedBy === undefined && state === 'FREE'
      return snapshot?.devices.filter(isFree).length ?? 0
    },
    close: async () => {
      await agent?.close()
      await waiting.close()
      await server.close()
      feed.close()
      await store.close()
    },
  }
}

async function poll(what: string, isSo: () => Promise<boolean>): Promise<void> {
  const untilMs = performance.now() + 20_000
  while (!(await isSo())) {
    if (performance.now() > untilMs) throw new Error(`It did not come about that ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 10))
  }
}
