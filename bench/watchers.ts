// Do many watchers slow creates down? node bench/watchers.ts [watchers]
//
// Creates as fast as sixteen clients can: with nobody watching, with every watcher at an instance of its own (as who waits
// for a create does), with every watcher at the whole project, and the same without gzip. Each is compared with what was
// made just before it with nobody watching, and what is printed is the median of the turns: other work on the machine comes
// and goes. Watchers are a process of their own, and what they cost themselves is not the scheduler's: where all share few
// cores, that is told apart by creates beside a process that uses as much of a core and watches nothing. Processor time is
// that of the scheduler and of the clients that create.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { constants, gunzipSync } from 'node:zlib'
import { createLogger } from '../lib/log.ts'
import { instancesPath, startRegion } from '../test/scheduler/api/region.ts'
import { median, say } from './figures.ts'

const createsPerTurn = 200
const turns = 5
const clients = 16

const [first = '1000', task, ...details] = process.argv.slice(2)
const watchers = Number(first)
if (task === undefined) await compare()
else if (task === 'burn') await burn(Number(details[0]))
else {
  const [encoding = '', token = '', ...urls] = details
  await watchForParent({ authorization: `Bearer ${token}`, 'accept-encoding': encoding }, urls)
}

async function compare(): Promise<void> {
  const log = createLogger({ level: 'error', descriptor: 2 })
  const region = await startRegion({ hosts: 200, ipv4Cidr: '10.0.0.0/16', isMeasured: true, log })
  const editor = await region.issuer.tokenFor('project-x9y8z7:editor')
  const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'

  const create = async (): Promise<string> => {
    const answer = await fetch(`${region.url}${instancesPath}`, {
      method: 'POST',
      headers: { authorization: `Bearer ${editor}`, 'content-type': 'application/json' },
      body: JSON.stringify({ type }),
    })
    const text = await answer.text()
    if (answer.status !== 202) throw new Error(`A create answered ${answer.status}: ${text}`)
    return (JSON.parse(text) as { id: string }).id
  }
  const createSome = async (): Promise<Turn> => {
    const from = performance.now()
    const used = process.cpuUsage()
    let left = createsPerTurn
    const client = async () => {
      for (; left > 0; await create()) left -= 1
    }
    await Promise.all(Array.from({ length: clients }, client))
    const { user, system } = process.cpuUsage(used)
    return {
      rate: createsPerTurn / ((performance.now() - from) / 1000),
      processorMs: (user + system) / 1000 / createsPerTurn,
    }
  }
  const createWatched = async (urls: readonly string[], encoding: string) => {
    const child = fork(import.meta.filename, [first, 'watch', encoding, editor, ...urls])
    await once(child, 'message')
    const used = await ask(child, 'processor time')
    const from = performance.now()
    const turn = await createSome()
    const ofCore = ((await ask(child, 'processor time')) - used) / (performance.now() - from)
    await sleep(3000)
    const seen = await ask(child, 'events')
    child.kill()
    await once(child, 'exit')
    await sleep(500)
    return { ...turn, seen, ofCore }
  }
  const createBeside = async (ofCore: number) => {
    const child = fork(import.meta.filename, [first, 'burn', String(ofCore)])
    await once(child, 'message')
    const turn = await createSome()
    child.kill()
    await once(child, 'exit')
    return turn
  }

  const all = `${region.url}${instancesPath}`
  const own: string[] = []
  while (own.length < 16) own.push(`${all}/${await create()}`)
  await createSome()
  const compareWatched = async (urls: readonly string[], encoding: string): Promise<Comparison> => {
    const nobody = await createSome()
    const watched = await createWatched(urls, encoding)
    return { nobody, watched, beside: await createBeside(watched.ofCore) }
  }
  const cases = [
    { what: 'an instance each', urls: own, encoding: 'gzip', made: [] as Comparison[] },
    { what: 'the whole project', urls: [all], encoding: 'gzip', made: [] as Comparison[] },
    { what: 'that without gzip', urls: [all], encoding: 'identity', made: [] as Comparison[] },
  ]
  for (let turn = 0; turn < turns; turn += 1) {
    for (const { urls, encoding, made } of cases) made.push(await compareWatched(urls, encoding))
  }
  sayTurns(
    'creates a second, nobody watching',
    cases.flatMap(({ made }) => made.map(({ nobody }) => nobody)),
  )
  for (const { what, urls, made } of cases)
    sayComparisons(`${watchers} watch ${what}`, made, urls.length === 1)
  await region.close()
}

interface Turn {
  readonly rate: number
  /** For a create. */
  readonly processorMs: number
}

interface Comparison {
  readonly nobody: Turn
  readonly watched: Turn & { readonly seen: number; readonly ofCore: number }
  readonly beside: Turn
}

function sayTurns(what: string, made: readonly Turn[], comparedWith: readonly Turn[] = made): void {
  const rate = median(made.map((turn) => turn.rate)).toFixed(0)
  const ratio = median(made.map((turn, index) => turn.rate / (comparedWith[index]?.rate ?? Number.NaN)))
  const processorMs = median(made.map((turn) => turn.processorMs)).toFixed(1)
  say(what, `${rate} (${ratio.toFixed(2)} x), processor ${processorMs} ms each`)
}

function sayComparisons(what: string, made: readonly Comparison[], seesCreates: boolean): void {
  const nobody = made.map((one) => one.nobody)
  const watched = made.map((one) => one.watched)
  const beside = made.map((one) => one.beside)
  sayTurns(`creates a second, ${what}`, watched, nobody)
  say('  what these watchers use themselves', `${median(watched.map((one) => one.ofCore)).toFixed(2)} cores`)
  sayTurns('  creates a second beside a process that uses as much', beside, nobody)
  sayTurns('  watched, compared with that', watched, beside)
  if (!seesCreates) return
  const seen = watched.reduce((sum, one) => sum + one.seen, 0)
  say('  events that arrived', `${seen} of ${watchers * createsPerTurn * turns}`)
}

type Question = 'processor time' | 'events'

/** Processor time in ms, events as a count. */
async function ask(child: ChildProcess, question: Question): Promise<number> {
  child.send(question)
  const [answer] = (await once(child, 'message')) as [number]
  return answer
}

/** Uses a share of a core until it is ended. */
async function burn(ofCore: number): Promise<void> {
  const periodMs = 10
  process.send?.('burns')
  for (;;) {
    const until = performance.now() + periodMs * Math.min(ofCore, 1)
    while (performance.now() < until);
    await sleep(Math.max(0, periodMs * (1 - ofCore)))
  }
}

/**
 * Tells the parent when all of them watch and afterwards, asked, how many events came. What came compressed is kept until
 * then: a thousand clients in one process would measure how fast it inflates.
 */
async function watchForParent(
  headers: Readonly<Record<string, string>>,
  urls: readonly string[],
): Promise<void> {
  const position = await readPosition(urls[0] ?? '', headers)
  const compressed: Buffer[][] = []
  let watching = 0
  let seenPlain = 0
  for (let index = 0; index < watchers; index += 1) {
    const watch = startWatch(urls[index % urls.length] ?? '', { ...headers, ...position })
    watch.on('response', (response) => {
      watching += 1
      if (watching === watchers) process.send?.('all watch')
      const isCompressed = response.headers['content-encoding'] === 'gzip'
      const chunks: Buffer[] = []
      if (isCompressed) compressed.push(chunks)
      response.on('data', (chunk: Buffer) => {
        if (isCompressed) chunks.push(chunk)
        else seenPlain += countChanges(chunk)
      })
    })
  }
  process.on('message', (question: Question) => {
    const { user, system } = process.cpuUsage()
    if (question === 'processor time') process.send?.((user + system) / 1000)
    else process.send?.(compressed.reduce((seen, chunks) => seen + countChanges(inflate(chunks)), seenPlain))
  })
}

/** Of a stream that goes on. */
const inflate = (chunks: readonly Buffer[]): Buffer =>
  gunzipSync(Buffer.concat(chunks), { finishFlush: constants.Z_SYNC_FLUSH })

/** Where everything is told: what there is need not be told a thousand times. */
async function readPosition(
  url: string,
  headers: Readonly<Record<string, string>>,
): Promise<{ 'last-event-id': string }> {
  const watch = startWatch(url, { ...headers, 'accept-encoding': 'identity' })
  const [response] = (await once(watch, 'response')) as [IncomingMessage]
  let text = ''
  for await (const chunk of response) {
    text += String(chunk)
    const id = /event: synced\nid: (\d+)/.exec(text)?.[1]
    if (id !== undefined) return { 'last-event-id': id }
  }
  throw new Error('The watch ended before it had told everything.')
}

function startWatch(url: string, headers: Readonly<Record<string, string>>): ClientRequest {
  const watch = request(`${url}?watch=true`, { headers, agent: false })
  watch.end()
  return watch
}

function countChanges(bytes: Buffer): number {
  const text = 'event: changed'
  let count = 0
  for (let at = bytes.indexOf(text); at !== -1; at = bytes.indexOf(text, at + 1)) count += 1
  return count
}
