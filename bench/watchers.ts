// Do many watchers slow creates down? node bench/watchers.ts [watchers]
//
// Creates as fast as sixteen clients can: with nobody watching, with every watcher at an instance of its own (as who waits
// for a create does), and with every watcher at the whole project. In turn, compared within the run. Watchers are a process
// of their own, and what they cost themselves is not the scheduler's: where all share few cores, that is told apart by
// creates beside a process that uses as much of a core and watches nothing.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { type ClientRequest, type IncomingMessage, request } from 'node:http'
import { setTimeout as sleep } from 'node:timers/promises'
import { instancesPath, startRegion } from '../test/scheduler/api/region.ts'
import { median, say } from './figures.ts'

const createsPerTurn = 300
const turns = 3
const clients = 16

const [first = '1000', ...addresses] = process.argv.slice(2)
const watchers = Number(first)
if (addresses.length === 0) await compare()
else if (addresses[0] === 'burn') await burn(Number(addresses[1]))
else {
  const [token = '', ...urls] = addresses
  await watchForParent(token, urls)
}

async function compare(): Promise<void> {
  const region = await startRegion({ hosts: 200, ipv4Cidr: '10.0.0.0/16', isMeasured: true })
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
  const createSome = async (): Promise<number> => {
    const from = performance.now()
    let left = createsPerTurn
    const client = async () => {
      for (; left > 0; await create()) left -= 1
    }
    await Promise.all(Array.from({ length: clients }, client))
    return createsPerTurn / ((performance.now() - from) / 1000)
  }
  const createWatched = async (urls: readonly string[]) => {
    const child = fork(import.meta.filename, [first, editor, ...urls])
    await once(child, 'message')
    const used = await ask(child)
    const from = performance.now()
    const rate = await createSome()
    const share = (await ask(child)).cpuMs - used.cpuMs
    const ofCore = share / (performance.now() - from)
    await sleep(3000)
    const { seen } = await ask(child)
    child.kill()
    await once(child, 'exit')
    await sleep(500)
    return { rate, seen, ofCore }
  }
  const createBeside = async (ofCore: number) => {
    const child = fork(import.meta.filename, [first, 'burn', String(ofCore)])
    await once(child, 'message')
    const rate = await createSome()
    child.kill()
    await once(child, 'exit')
    return rate
  }

  const all = `${region.url}${instancesPath}`
  const own: string[] = []
  while (own.length < 16) own.push(`${all}/${await create()}`)
  await createSome()
  const rates = { nobody: [] as number[], own: [] as number[], all: [] as number[], beside: [] as number[] }
  const shares: number[] = []
  let seen = 0
  for (let turn = 0; turn < turns; turn += 1) {
    rates.nobody.push(await createSome())
    rates.own.push((await createWatched(own)).rate)
    const watched = await createWatched([all])
    rates.all.push(watched.rate)
    shares.push(watched.ofCore)
    rates.beside.push(await createBeside(watched.ofCore))
    seen += watched.seen
  }
  const base = median(rates.nobody)
  const compared = (values: readonly number[], to = base) =>
    `${median(values).toFixed(0)} (${(median(values) / to).toFixed(2)} x)`
  say('creates a second, nobody watching', base.toFixed(0))
  say(`creates a second, ${watchers} watch an instance each`, compared(rates.own))
  say(`creates a second, ${watchers} watch the whole project`, compared(rates.all))
  say('what these watchers use themselves', `${median(shares).toFixed(2)} cores`)
  say('creates a second beside a process that uses as much', compared(rates.beside))
  say('watched, compared with that', compared(rates.all, median(rates.beside)))
  say('events that arrived there', `${seen} of ${watchers * createsPerTurn * turns}`)
  await region.close()
}

interface Seen {
  readonly seen: number
  readonly cpuMs: number
}

async function ask(child: ChildProcess): Promise<Seen> {
  child.send('how many')
  const [answer] = (await once(child, 'message')) as [Seen]
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

/** Tells the parent when all of them watch and afterwards, asked, how many events came. */
async function watchForParent(token: string, urls: readonly string[]): Promise<void> {
  const position = await readPosition(urls[0] ?? '', token)
  let watching = 0
  let seen = 0
  for (let index = 0; index < watchers; index += 1) {
    const watch = startWatch(urls[index % urls.length] ?? '', {
      authorization: `Bearer ${token}`,
      ...position,
    })
    watch.on('response', (response) => {
      watching += 1
      if (watching === watchers) process.send?.('all watch')
      response.on('data', (chunk: Buffer) => {
        seen += countIn(chunk, 'event: changed')
      })
    })
  }
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.({ seen, cpuMs: (user + system) / 1000 } satisfies Seen)
  })
}

/** Where everything is told: what there is need not be told a thousand times. */
async function readPosition(url: string, token: string): Promise<{ 'last-event-id': string }> {
  const watch = startWatch(url, { authorization: `Bearer ${token}` })
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

function countIn(chunk: Buffer, text: string): number {
  let count = 0
  for (let at = chunk.indexOf(text); at !== -1; at = chunk.indexOf(text, at + 1)) count += 1
  return count
}
