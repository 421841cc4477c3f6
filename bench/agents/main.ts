// What do agents' sessions cost beside bare gRPC? npm run bench:agents -- [--agents 5000] [--commands 20] [--json]
//
// The same number of connections, each with a stream of its own, to Berth's side of sessions with its store, and to an echo
// of bare grpc-js: memory for each, commands acknowledged a second (Berth's from the outbox, and noted in the store; the
// echo's from nowhere), and how long all of them take to come back at once. Servers and agents are processes of their own.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { create, toBinary } from '@bufbuild/protobuf'
import Database from 'better-sqlite3'
import { v7 } from 'uuid'
import { DesiredState } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { CommandSchema, ObjectKind } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import { say } from '../figures.ts'
import { type AgentsProcess, startAgents } from '../region/agents-process.ts'
import { hostIdOf, writeSettings } from '../region/settings.ts'
import type { Delivered, ServerQuestion } from './questions.ts'

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    agents: { type: 'string', default: '5000' },
    commands: { type: 'string', default: '20' },
  },
})
const count = Number(values.agents)
const each = Number(values.commands)
const here = (name: string) => join(import.meta.dirname, name)

const directory = mkdtempSync(join(tmpdir(), 'berth-bench-agents-'))
try {
  tell(await measureBare(), await measureBerth())
} finally {
  rmSync(directory, { recursive: true, force: true })
}

interface Figures {
  readonly bytesPerAgent: number
  readonly commandsPerSecond: number
  readonly processorUsEach: number
  readonly connectMs: number
  readonly reconnectMs: number
}

async function measureBare(): Promise<Figures> {
  const server = fork(here('echo.ts'), ['serve'])
  const [port] = (await once(server, 'message')) as [number]
  const agents = startAgents({
    program: here('echo.ts'),
    args: ['connect', String(port), String(count)],
  })
  return measure({ server, agents, prepare: () => {} })
}

async function measureBerth(): Promise<Figures> {
  const { settingsPath, databasePath, agentsPort } = await writeSettings(directory)
  const server = fork(here('session-server.ts'), [settingsPath])
  await once(server, 'message')
  const agents = startAgents({ args: [`127.0.0.1:${agentsPort}`, String(count)] })
  return measure({ server, agents, prepare: () => fillOutboxes(databasePath) })
}

async function measure(run: {
  readonly server: ChildProcess
  readonly agents: AgentsProcess
  readonly prepare: () => void
}): Promise<Figures> {
  const { server, agents, prepare } = run
  const alone = await ask<number>(server, { ask: 'memory' })
  const connected = await agents.ask({ ask: 'connect' })
  const bytesPerAgent = ((await ask<number>(server, { ask: 'memory' })) - alone) / count
  const deliver = async () => {
    prepare()
    return ask<Delivered>(server, { ask: 'deliver', each, bytes: renderCommand('', 0).length })
  }
  // The first are not like the others: nothing is compiled yet.
  await deliver()
  const { tookMs, processorMs } = await deliver()
  await agents.ask({ ask: 'break' })
  const reconnected = await agents.ask({ ask: 'connect' })
  await agents.close()
  const ended = once(server, 'exit')
  server.kill('SIGKILL')
  await ended
  return {
    ...{ bytesPerAgent, commandsPerSecond: (count * each) / (tookMs / 1000) },
    processorUsEach: (processorMs * 1000) / (count * each),
    ...{ connectMs: connected.tookMs, reconnectMs: reconnected.tookMs },
  }
}

async function ask<Answer>(server: ChildProcess, question: ServerQuestion): Promise<Answer> {
  server.send(question)
  const [answer] = (await once(server, 'message')) as [Answer]
  return answer
}

/** As the store would have queued them. */
function fillOutboxes(path: string): void {
  const database = new Database(path)
  const next = database.prepare('SELECT next_command_sequence AS next FROM hosts WHERE host_id = ?').pluck()
  const advance = database.prepare('UPDATE hosts SET next_command_sequence = ? WHERE host_id = ?')
  const insert = database.prepare('INSERT INTO outbox (host_id, sequence, command) VALUES (?, ?, ?)')
  const fill = database.transaction(() => {
    for (let index = 0; index < count; index += 1) {
      const hostId = hostIdOf(index)
      const first = next.get(hostId) as number
      for (let sequence = first; sequence < first + each; sequence += 1) {
        insert.run(hostId, sequence, renderCommand(hostId, sequence))
      }
      advance.run(first + each, hostId)
    }
  })
  fill()
  database.close()
}

function renderCommand(hostId: string, sequence: number): Uint8Array {
  const uid = v7()
  const spec = {
    ...{
      uid,
      id: `bench-${sequence}`,
      vcpus: 16,
      memoryMib: 131_072,
      hostname: `${hostId}.us1-a.c.internal`,
    },
    disks: [{ deviceName: 'boot', sizeGb: 10 }],
    nics: [{ name: 'nic0', macAddress: '02:be:80:00:00:01', ipv4Address: '10.0.0.3' }],
    gpus: [{ type: 'nvidia-h100-80gb', address: '0000:19:00.0' }],
    metadata: [{ key: 'user-data', value: '#'.repeat(250) }],
  }
  const command = create(CommandSchema, {
    ...{ sequence: BigInt(sequence), commandId: v7(), requestId: `req_${uid}`, epoch: 1 },
    ...{ kind: ObjectKind.INSTANCE, uid, generation: 1 },
    body: { case: 'ensureInstance', value: { desiredState: DesiredState.RUNNING, startGeneration: 1, spec } },
  })
  return toBinary(CommandSchema, command)
}

function tell(bare: Figures, berth: Figures): void {
  const figures = {
    ratio: berth.commandsPerSecond / bare.commandsPerSecond,
    processorUsEach: berth.processorUsEach,
    processorRatio: berth.processorUsEach / bare.processorUsEach,
    bytesPerAgent: berth.bytesPerAgent,
    memoryRatio: berth.bytesPerAgent / bare.bytesPerAgent,
    reconnectRatio: berth.reconnectMs / bare.reconnectMs,
  }
  if (values.json) {
    const rounded = Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(3))])
    process.stdout.write(`${JSON.stringify(Object.fromEntries(rounded))}\n`)
    return
  }
  const rate = ({ commandsPerSecond }: Figures) => commandsPerSecond.toFixed(0)
  const kib = ({ bytesPerAgent }: Figures) => (bytesPerAgent / 1024).toFixed(1)
  say(
    `commands acknowledged a second, ${count} agents`,
    `${rate(berth)} = ${figures.ratio.toFixed(3)} x the bare echo's ${rate(bare)} (goal 0.75)`,
  )
  say(
    '  processor time of the server for each',
    `${berth.processorUsEach.toFixed(0)} us = ${figures.processorRatio.toFixed(2)} x the bare echo's ${bare.processorUsEach.toFixed(0)} us, with its store`,
  )
  say(
    '  memory for a session',
    `${kib(berth)} KiB = ${figures.memoryRatio.toFixed(2)} x the bare echo's ${kib(bare)} KiB (goal 1.5)`,
  )
  say(
    '  all connect for the first time',
    `${berth.connectMs.toFixed(0)} ms, the bare echo ${bare.connectMs.toFixed(0)} ms`,
  )
  say(
    '  all come back at once',
    `${berth.reconnectMs.toFixed(0)} ms = ${figures.reconnectRatio.toFixed(2)} x the bare echo's ${bare.reconnectMs.toFixed(0)} ms`,
  )
}
