// The scheduler's side of the stream for tests: real store, without its thread, in a temporary directory, real gRPC on
// loopback. It can be restarted on the same database and port, as after a crash.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { systemRandom } from '../../../lib/random.ts'
import { InstanceSpecSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type HostId, hostId, instanceUid, operationId, projectId, zoneId } from '../../../proto/ids.ts'
import { declaredResources } from '../../../scheduler/catalogue/declared.ts'
import { readSettings } from '../../../scheduler/config.ts'
import type { InstanceRecord } from '../../../scheduler/model/instance.ts'
import { type AgentServerOptions, startAgentServer } from '../../../scheduler/stream/agent-server.ts'
import { settingsFile } from '../admission/context.ts'
import { openInProcessStore } from '../store/in-process.ts'

export const token = 'the-token-of-this-test'
export const project = projectId('project-x9y8z7')

export type StreamRegion = Awaited<ReturnType<typeof startStreamRegion>>

export async function startStreamRegion(options: Partial<AgentServerOptions> = {}) {
  const folder = mkdtempSync(join(tmpdir(), 'berth-stream-'))
  const log = options.log ?? silentLogger
  const open = async (port: number) => {
    const store = await openInProcessStore(join(folder, 'scheduler.sqlite'))
    const settings = readSettings(settingsFile)
    await store.declareResources({ resources: declaredResources(settings), nowMs: systemClock.nowMs() })
    const agents = await startAgentServer({
      host: '127.0.0.1',
      token,
      store,
      identityIssuer: 'http://127.0.0.1:1/identity',
      clock: systemClock,
      random: systemRandom,
      log,
      ...options,
      port,
    }).catch(async (thrown: unknown) => {
      await store.close()
      rmSync(folder, { recursive: true })
      throw thrown
    })
    return { store, agents }
  }
  let current = await open(0)
  let created = 0

  return {
    get store() {
      return current.store
    },
    get agents() {
      return current.agents
    },
    /** Places an instance by hand, as a create would, and tells the dispatcher unless asked not to. */
    createInstance: async (host: string, { nudge = true } = {}): Promise<InstanceRecord> => {
      created += 1
      const uid = instanceUid(systemRandom.uuid())
      const id = `web-${created}`
      const outcome = await current.store.commitPlacement({
        ...placementOf({ uid, id, hostId: hostId(host) }),
        addresses: [],
        uses: [],
      })
      if (outcome.kind !== 'committed') throw new Error(`Not committed: ${outcome.kind}`)
      if (nudge) current.agents.dispatch.nudge(hostId(host))
      return outcome.instance
    },
    deleteInstance: async (instance: InstanceRecord) => {
      await current.store.changeInstance({
        verb: 'delete',
        operationId: operationId(systemRandom.uuid()),
        principal: 'tester',
        project,
        idOrUid: instance.uid,
        commandId: systemRandom.uuid(),
        requestId: 'delete',
        stopDeadlineMs: 1000,
        nowMs: Date.now(),
      })
      current.agents.dispatch.nudge(instance.hostId)
    },
    find: (instance: InstanceRecord) => current.store.findInstance(project, instance.uid),
    restart: async () => {
      const { port } = current.agents
      await current.agents.close()
      await current.store.close()
      current = await open(port)
    },
    close: async () => {
      await current.agents.close()
      await current.store.close()
      rmSync(folder, { recursive: true })
    },
  }
}

function placementOf({ uid, id, hostId }: { uid: InstanceRecord['uid']; id: string; hostId: HostId }) {
  return {
    uid,
    project,
    id,
    operationId: operationId(systemRandom.uuid()),
    principal: 'tester',
    details: {
      ...{ labels: {}, type: 'g1-small', instanceMetadata: [], hostname: id },
      ...{ disks: [], nics: [], gpus: [] },
    },
    spec: create(InstanceSpecSchema, { uid, id, vcpus: 1, memoryMib: 1024 }),
    hostId,
    demand: {
      ...{ zone: zoneId('us1-a'), vcpus: 1, memoryMib: 1024, diskGb: 1, gpus: [] },
      architecture: 'x86_64',
    },
    devices: [],
    explanation: { seed: uid, hostsConsidered: 1, refusals: [] },
    statusMessage: 'Placed.',
    commandId: systemRandom.uuid(),
    requestId: `create-${id}`,
    stopDeadlineMs: 1000,
    nowMs: Date.now(),
  }
}
