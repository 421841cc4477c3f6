// How many creates a second, beside what this machine could do at most? npm run bench:create -- [--hosts 5000]
// [--seconds 10] [--connections 50] [--json] [--profile DIRECTORY]
//
// A create is done when its 202 has come and the session of its own host has been told: both are checked for each. The
// scheduler, its agents and the clients are processes of their own on one machine, and so are those of the floor. Where the
// fleet fills up the clock stops, everything is deleted, and it goes on.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import Database from 'better-sqlite3'
import { median, say } from '../figures.ts'
import { type AgentsProcess, startAgents } from '../region/agents-process.ts'
import { type SchedulerProcess, startScheduler } from '../region/scheduler-process.ts'
import { instancesPath, instanceType, type RegionFiles, writeSettings } from '../region/settings.ts'
import { askAll, type HttpClient, openClient, renderRequest } from './clients.ts'
import { measureHttp, measureInserts } from './floor.ts'

const gpusOfHost = 8
/** Of the fleet's GPUs: a full one would measure refusals. */
const fullAt = 0.8

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    hosts: { type: 'string', default: '5000' },
    seconds: { type: 'string', default: '10' },
    connections: { type: 'string', default: '50' },
    profile: { type: 'string' },
  },
})
const hosts = Number(values.hosts)
const seconds = Number(values.seconds)
const connections = Number(values.connections)
const body = JSON.stringify({
  type: instanceType,
  labels: { team: 'research' },
  instanceMetadata: [
    {
      key: 'ssh-keys',
      value: 'admin:ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIJeaD1heScpzmiypsUSb0T3lkmg2d/onGkPviaZ2Rtgc',
    },
  ],
})

let keys = 0

const directory = mkdtempSync(join(tmpdir(), 'berth-bench-create-'))
try {
  const region = await writeSettings(directory)
  const scheduler = await startScheduler({
    program: 'scheduler/main.ts',
    args: ['--config', region.settingsPath],
    logPath: join(directory, 'scheduler.log'),
    ...(values.profile === undefined ? {} : { profileDirectory: values.profile }),
  })
  const agents = startAgents({ args: [`127.0.0.1:${region.agentsPort}`, String(hosts)] })
  try {
    await agents.ask({ ask: 'connect' })
    await measure({ region, scheduler, agents })
  } finally {
    await agents.close()
    await scheduler.close()
  }
} finally {
  rmSync(directory, { recursive: true, force: true })
}

interface Bench {
  readonly region: RegionFiles
  readonly scheduler: SchedulerProcess
  readonly agents: AgentsProcess
}

async function measure(bench: Bench): Promise<void> {
  const clients = await Promise.all(
    Array.from({ length: connections }, () => openClient(bench.region.httpPort)),
  )
  const room = Math.floor(hosts * gpusOfHost * fullAt)
  // The first creates are not like the others: nothing is compiled yet.
  await createAndDelete(bench, clients, { seconds: 2, room })
  await bench.scheduler.observe()
  const turns: Turn[] = []
  let leftMs = seconds * 1000
  while (leftMs > 0) {
    const turn = await createAndDelete(bench, clients, { seconds: leftMs / 1000, room })
    turns.push(turn)
    leftMs -= turn.answeredMs
  }
  for (const client of clients) client.close()
  tell(turns, await measureFloor(bench.region, turns))
}

interface Turn {
  readonly took: readonly number[]
  readonly answeredMs: number
  /** Until the last host had been told. */
  readonly toldMs: number
  readonly answer: string
  readonly loopDelayP999Ms: number
  readonly placementsInFlush: number
  readonly processor: Processor
}

/** For a create, in ms. */
interface Processor {
  readonly scheduler: number
  /** Of the scheduler's: the thread that answers requests, and the store's. */
  readonly requests: number
  readonly store: number
  readonly agents: number
  readonly clients: number
}

async function createAndDelete(
  { region, scheduler, agents }: Bench,
  clients: readonly HttpClient[],
  limits: { readonly seconds: number; readonly room: number },
): Promise<Turn> {
  const uids: string[] = []
  const links: string[] = []
  let answer = ''
  let asked = 0
  await agents.ask({ ask: 'told', count: 0 })
  const clientsBefore = process.cpuUsage()
  const beganMs = performance.now()
  const untilMs = beganMs + limits.seconds * 1000
  const next = () => {
    if (asked >= limits.room || performance.now() >= untilMs) return undefined
    asked += 1
    keys += 1
    return renderRequest('POST', instancesPath(keys), { token: region.token, body, key: `create-${keys}` })
  }
  const load = await askAll(clients, next, ({ status, text }) => {
    if (status !== 202) throw new Error(`A create was answered ${text}`)
    answer = text.slice(text.indexOf('\r\n\r\n') + 4)
    uids.push(/"uid":"([^"]+)"/.exec(answer)?.[1] ?? '')
    links.push(/"selfLink":"([^"]+)"/.exec(answer)?.[1] ?? '')
  })
  const { told = [], processorMs: agentsMs } = await agents.ask({ ask: 'told', count: uids.length })
  const toldMs = performance.now() - beganMs
  const observed = await scheduler.observe()
  const { user, system } = process.cpuUsage(clientsBefore)
  const each = (ms: number) => ms / load.took.length
  expectEachTold(uids, told, region)
  await askAll(
    clients,
    () => {
      const link = links.pop()
      return link === undefined ? undefined : renderRequest('DELETE', link, { token: region.token })
    },
    ({ status, text }) => {
      if (status !== 202) throw new Error(`A delete was answered ${text}`)
    },
  )
  await agents.ask({ ask: 'gone', count: told.length })
  await untilEmpty(region)
  await scheduler.observe()
  return {
    ...{ took: load.took, answeredMs: load.ms, toldMs, answer },
    loopDelayP999Ms: observed.loopDelayP999Ms,
    placementsInFlush: observed.placements / observed.flushes,
    processor: {
      scheduler: each(observed.processorMs),
      requests: each(observed.requestsProcessorMs),
      store: each(observed.storeProcessorMs),
      agents: each(agentsMs),
      clients: each((user + system) / 1000),
    },
  }
}

/** Each instance once, by the session of the host that the store has it on. */
function expectEachTold(
  uids: readonly string[],
  told: readonly (readonly [string, string])[],
  { databasePath }: RegionFiles,
): void {
  const hostsTold = new Map(told)
  if (hostsTold.size !== told.length) throw new Error('A host was told twice of one instance.')
  const database = new Database(databasePath, { readonly: true })
  const rows = database.prepare('SELECT uid, host_id FROM instances').all() as {
    uid: string
    host_id: string
  }[]
  database.close()
  const hostsStored = new Map(rows.map((row) => [row.uid, row.host_id]))
  const wrong = uids.filter(
    (uid) => hostsTold.get(uid) === undefined || hostsTold.get(uid) !== hostsStored.get(uid),
  )
  if (wrong.length > 0) throw new Error(`${wrong.length} instances were told to nobody, or to another host.`)
}

async function untilEmpty({ databasePath }: RegionFiles): Promise<void> {
  const database = new Database(databasePath, { readonly: true })
  const count = database.prepare('SELECT count(*) AS count FROM instances')
  while ((count.get() as { count: number }).count > 0) await new Promise((resolve) => setTimeout(resolve, 20))
  database.close()
}

interface Floor {
  readonly httpPerSecond: number
  readonly insertsPerSecond: number
  readonly rowsInFlush: number
}

async function measureFloor({ token }: RegionFiles, turns: readonly Turn[]): Promise<Floor> {
  const [turn] = turns
  const answer = turn?.answer ?? ''
  const rowsInFlush = Math.max(1, Math.round(median(turns.map((one) => one.placementsInFlush))))
  const request = renderRequest('POST', instancesPath(0), { token, body, key: 'create-1' })
  const floorSeconds = Math.max(1, seconds / 4)
  return {
    httpPerSecond: await measureHttp({ request, answer, connections, seconds: floorSeconds }),
    insertsPerSecond: measureInserts({ directory, row: answer, rowsInFlush, seconds: floorSeconds }),
    rowsInFlush,
  }
}

function tell(turns: readonly Turn[], { httpPerSecond, insertsPerSecond, rowsInFlush }: Floor): void {
  const took = turns.flatMap((turn) => turn.took).sort((a, b) => a - b)
  const at = (share: number) => took[Math.min(took.length - 1, Math.floor(took.length * share))] ?? Number.NaN
  const createsPerSecond = took.length / (turns.reduce((sum, turn) => sum + turn.toldMs, 0) / 1000)
  const floorPerSecond = 1 / (1 / httpPerSecond + 1 / insertsPerSecond)
  const figures = {
    ...{ createsPerSecond, floorPerSecond, ratio: createsPerSecond / floorPerSecond },
    ...{ p50Millis: at(0.5), p99Millis: at(0.99) },
    loopDelayP999Millis: Math.max(...turns.map((turn) => turn.loopDelayP999Ms)),
  }
  const processorMs = (of: keyof Processor) => median(turns.map(({ processor }) => processor[of]))
  if (values.json) {
    const all = {
      ...figures,
      schedulerProcessorMillis: processorMs('scheduler'),
      requestsProcessorMillis: processorMs('requests'),
      storeProcessorMillis: processorMs('store'),
      agentsProcessorMillis: processorMs('agents'),
      clientsProcessorMillis: processorMs('clients'),
    }
    const rounded = Object.entries(all).map(([name, value]) => [name, Number(value.toFixed(3))])
    process.stdout.write(`${JSON.stringify(Object.fromEntries(rounded))}\n`)
    return
  }
  say(
    `creates a second, ${hosts} hosts, ${connections} connections`,
    `${createsPerSecond.toFixed(0)} = ${figures.ratio.toFixed(3)} x the floor (goal 0.5)`,
  )
  say(
    '  the floor',
    `${floorPerSecond.toFixed(0)}: bare node:http ${httpPerSecond.toFixed(0)}, prepared insert ${insertsPerSecond.toFixed(0)}, ${rowsInFlush} to a flush`,
  )
  say('  p50, p99', `${figures.p50Millis.toFixed(1)} ms, ${figures.p99Millis.toFixed(1)} ms (goal 20)`)
  say("  the scheduler's event loop held up, p99.9", `${figures.loopDelayP999Millis.toFixed(1)} ms`)
  const spent = (of: keyof Processor) => `${processorMs(of).toFixed(2)} ms`
  say(
    "  the scheduler's processor time for a create",
    `${spent('scheduler')}: requests ${spent('requests')}, store ${spent('store')}`,
  )
  say('  beside it', `the agents ${spent('agents')}, the clients ${spent('clients')}`)
  say('  creates, in turns', `${took.length}, ${turns.length}`)
}
