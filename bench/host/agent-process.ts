// The real agent as a program of its own, and a scheduler in this process that says what the benchmark says.
import { execFileSync, spawn } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { v7 } from 'uuid'
import { stringify } from 'yaml'
import { programEnvironment } from '../../agent/host/program-environment.ts'
import {
  DesiredState,
  type InstanceObservation,
  InstancePhase,
  type InstanceSpec,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { CommandSchema, ObjectKind, ReportAckSchema } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { type SaidBody, startScriptedScheduler } from '../../test/agent/stream/scripted-scheduler.ts'
import { repositoryRoot } from '../../test/support/imports.ts'

export interface AgentProcess {
  readonly pid: number
  readonly directories: { readonly state: string; readonly run: string }
  /** Resolves with the news that the vCPUs run. */
  create(spec: InstanceSpec): Promise<void>
  /** Resolves with the news that nothing of it is left. */
  remove(uid: string): Promise<void>
  close(): Promise<void>
}

/** As the scheduler's own. */
const heartbeatIntervalMs = 10_000

export async function startAgentProcess(directory: string): Promise<AgentProcess> {
  const connected = Promise.withResolvers<void>()
  const waiting = new Map<string, (observation: InstanceObservation) => void>()
  const take = (body: SaidBody) => {
    if (body.case !== 'report') return
    const { sequence, body: reported } = body.value
    scheduler.send({ case: 'reportAck', value: create(ReportAckSchema, { sequence }) })
    if (reported.case === 'inventoryComplete') connected.resolve()
    if (reported.case === 'instance') waiting.get(reported.value.uid)?.(reported.value)
  }
  const scheduler = await startScriptedScheduler({ heartbeatIntervalMs, onHeard: take })
  const directories = { state: join(directory, 'agent'), run: join(directory, 'run') }
  const settingsPath = join(directory, 'agent.yaml')
  const settings = {
    ...{ hostId: 'host-bench', zone: 'us1-a', accelerator: 'tcg', directories },
    scheduler: { address: scheduler.address, token: v7() },
  }
  writeFileSync(settingsPath, stringify(settings))
  const logPath = join(directory, 'agent.log')
  const log = openSync(logPath, 'a')
  execFileSync('npm', ['run', '--silent', 'bundle:agent'], { cwd: repositoryRoot })
  const unit = readUnit()
  const child = spawn(process.execPath, [...unit.args, '--config', settingsPath], {
    stdio: ['ignore', log, log],
    env: { ...programEnvironment, ...unit.environment },
  })
  closeSync(log)
  const ended = once(child, 'exit')
  const fail = ended.then(() => {
    throw new Error(`The agent ended: ${readFileSync(logPath, 'utf8').slice(-2000)}`)
  })
  fail.catch(() => {})
  await Promise.race([connected.promise, fail])

  let sequence = 0n
  const reach = async (uid: string, phase: InstancePhase, spec?: InstanceSpec): Promise<void> => {
    const reached = Promise.withResolvers<void>()
    waiting.set(uid, (observation) => {
      if (observation.phase === InstancePhase.FAILED) reached.reject(new Error(observation.message))
      if (observation.phase === phase) reached.resolve()
    })
    sequence += 1n
    const generation = spec ? 1 : 2
    const value = create(CommandSchema, {
      ...{ sequence, commandId: v7(), epoch: 2, kind: ObjectKind.INSTANCE, uid, generation },
      body: {
        case: 'ensureInstance',
        value: {
          desiredState: spec ? DesiredState.RUNNING : DesiredState.ABSENT,
          startGeneration: 1,
          ...(spec ? { spec } : {}),
        },
      },
    })
    scheduler.send({ case: 'command', value })
    await Promise.race([reached.promise, fail])
    waiting.delete(uid)
  }

  return {
    pid: child.pid ?? 0,
    directories,
    create: (spec) => reach(spec.uid, InstancePhase.RUNNING, spec),
    remove: (uid) => reach(uid, InstancePhase.ABSENT),
    close: async () => {
      child.kill('SIGTERM')
      await ended
      await scheduler.close()
    },
  }
}

/** As its unit has them, of this repository. */
function readUnit(): {
  readonly args: readonly string[]
  readonly environment: Readonly<Record<string, string>>
} {
  const unit = readFileSync(join(repositoryRoot, 'systemd/berth-agent.service'), 'utf8')
  const line = /^ExecStart=\S+ (.*) --config /m.exec(unit)?.[1]
  if (line === undefined) throw new Error("The agent's unit starts something else.")
  const args = line
    .split(' ')
    .map((word) => word.replace(/^\/usr\/lib\/berth-agent/, join(repositoryRoot, 'dist/agent')))
  const environment = Object.fromEntries(
    [...unit.matchAll(/^Environment=(\w+)=(.*)$/gm)].map(([, name = '', value = '']) => [name, value]),
  )
  return { args, environment }
}
