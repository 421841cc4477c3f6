// Is the metadata service fast, and fair? npm run bench:metadata
//
// Beside a server of bare node:http that gives the same body, in turn and compared within the run; then one guest that asks
// a thousand times a second with the bucket raised, and one that floods with the bucket as it is, each beside others who ask
// now and then. Servers and the flood are processes of their own, each guest has a loopback address of its own.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import { type AddressInfo, connect, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { createAttributeStore } from '../agent/metadata/attribute-store.ts'
import { createDocumentFiles } from '../agent/metadata/document-files.ts'
import { createMetadataServer } from '../agent/metadata/server.ts'
import { systemClock } from '../lib/clock.ts'
import { silentLogger } from '../lib/log.ts'
import { systemRandom } from '../lib/random.ts'
import { median, say } from './figures.ts'

const rounds = 5
const roundMs = 3000
const body = `instance-id: 0192f0c1-0000-7000-8000-000000000001\nlocal-hostname: bench\n${'#'.repeat(400)}\n`
const guest = (number: number) => `127.0.7.${number}`
const raised = { connections: 64, burst: 1e9, perSecond: 1e9 }

const [role = 'measure', ...words] = process.argv.slice(2)
switch (role) {
  case 'bare':
    tellPort(
      createServer((_request, response) => {
        response.writeHead(200, { 'content-type': 'text/plain', 'content-length': Buffer.byteLength(body) })
        response.end(body)
      }),
    )
    break
  case 'raised':
  case 'default':
    tellPort(
      createMetadataServer({
        documents: createDocumentFiles(words[0] ?? '', systemClock),
        readIdentity: async () => undefined,
        attributes: createAttributeStore(),
        ...{ clock: systemClock, random: systemRandom, log: silentLogger },
        ...(role === 'raised' ? { limits: raised } : {}),
      }),
    )
    break
  case 'flood':
    process.send?.(
      await askFor(Number(words[0]), { first: 1, guests: 1, connectionsEach: 16, ms: Number(words[1]) }),
    )
    process.disconnect()
    break
  default:
    await measure()
}

/** And, asked, what CPU time it has used, in ms. */
function tellPort(server: Server): void {
  process.on('message', () => {
    const { user, system } = process.cpuUsage()
    process.send?.((user + system) / 1000)
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
}

async function measure(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-bench-metadata-'))
  mkdirSync(directory, { recursive: true })
  const nocloud = { 'meta-data': body, 'user-data': '', 'vendor-data': '', 'network-config': '' }
  for (let number = 1; number < 100; number += 1) {
    writeFileSync(
      join(directory, `${guest(number)}.json`),
      JSON.stringify({ instanceUid: 'x', gce: {}, nocloud }),
    )
  }
  const children = ['bare', 'raised', 'default'].map((name) => fork(import.meta.filename, [name, directory]))
  const [bare = 0, open = 0, limited = 0] = await Promise.all(children.map(portOf))

  for (const port of [bare, open, limited]) {
    await askFor(port, { first: 90, guests: 4, connectionsEach: 4, ms: roundMs })
  }

  const rates = { bare: [] as number[], open: [] as number[] }
  const costs = { bare: [] as number[], open: [] as number[] }
  for (let round = 0; round < rounds; round += 1) {
    for (const [name, port, child] of [
      ['bare', bare, children[0]],
      ['open', open, children[1]],
    ] as const) {
      const beforeMs = await cpuOf(child)
      const { answers } = await askFor(port, { first: 1, guests: 4, connectionsEach: 4, ms: roundMs })
      rates[name].push((answers / roundMs) * 1000)
      costs[name].push(((await cpuOf(child)) - beforeMs) / answers)
    }
  }
  const ratio = (values: readonly number[], to: readonly number[]) =>
    median(values.map((value, round) => value / (to[round] ?? Number.NaN))).toFixed(2)
  say('bare node:http, answers a second', median(rates.bare).toFixed(0))
  say('metadata service, answers a second', median(rates.open).toFixed(0))
  say('metadata service, compared with bare node:http', `${ratio(rates.open, rates.bare)} x (goal 0.7)`)
  // Where other programs are busy, this is the truer figure.
  say('the same by CPU time for an answer', `${ratio(costs.bare, costs.open)} x`)

  const others = { first: 2, guests: 20, perSecond: 10, ms: roundMs * 2 }
  const one = { first: 1, guests: 1, perSecond: 1000, ms: roundMs * 2 }
  say('one guest at 1,000 a second, bare node:http, p99', `${p99(await pace(bare, one)).toFixed(2)} ms`)
  const quiet = await pace(open, others)
  say('others alone, p99', `${p99(quiet).toFixed(2)} ms`)
  const [busy, beside] = await Promise.all([pace(open, one), pace(open, others)])
  say('one guest at 1,000 a second, p99', `${p99(busy).toFixed(2)} ms (goal 5)`)
  say('others beside it, p99', `${p99(beside).toFixed(2)} ms (goal 10)`)

  const still = await pace(limited, others)
  say('others with the bucket as it is, p99', `${p99(still).toFixed(2)} ms`)
  const flood = fork(import.meta.filename, ['flood', String(limited), String(roundMs * 3)])
  const flooded = once(flood, 'message') as Promise<[Tally]>
  await sleep(roundMs / 2)
  say('others beside a flood, p99', `${p99(await pace(limited, others)).toFixed(2)} ms`)
  const [{ answers, refused }] = await flooded
  say('what the flood got', `${answers - refused} answers, ${refused} times 429`)
  for (const child of children) child.kill()
  rmSync(directory, { recursive: true })
}

async function portOf(child: ChildProcess): Promise<number> {
  const [port] = (await once(child, 'message')) as [number]
  return port
}

async function cpuOf(child: ChildProcess | undefined): Promise<number> {
  child?.send('how much')
  const [usedMs] = child === undefined ? [Number.NaN] : ((await once(child, 'message')) as [number])
  return usedMs
}

interface Tally {
  readonly answers: number
  /** Of the answers, those with 429. */
  readonly refused: number
}

/** As many requests as get answers, each connection one after the other. */
async function askFor(
  port: number,
  load: { first: number; guests: number; connectionsEach: number; ms: number },
): Promise<Tally> {
  let answers = 0
  let refused = 0
  const untilMs = performance.now() + load.ms
  const run = async (number: number) => {
    const connection = await open(port, guest(number))
    while (performance.now() < untilMs) {
      if ((await connection.ask()) === 429) refused += 1
      answers += 1
    }
    connection.close()
  }
  const { first, guests, connectionsEach } = load
  await Promise.all(
    Array.from({ length: guests * connectionsEach }, (_, index) => run(first + (index % guests))),
  )
  return { answers, refused }
}

/** Asks when it is time, whether or not earlier answers have come; how long each took from then, in ms. */
async function pace(
  port: number,
  load: { first: number; guests: number; perSecond: number; ms: number },
): Promise<number[]> {
  const took: number[] = []
  const run = async (number: number) => {
    const connections = await Promise.all(Array.from({ length: 8 }, () => open(port, guest(number))))
    const beganMs = performance.now()
    const asked: Promise<unknown>[] = []
    const count = (load.ms * load.perSecond) / 1000
    for (let index = 0; index < count; index += 1) {
      const dueMs = beganMs + (index * 1000) / load.perSecond
      while (performance.now() < dueMs) await sleep(Math.max(0, dueMs - performance.now() - 1))
      const answer = connections[index % connections.length]?.ask()
      asked.push(Promise.resolve(answer).then(() => took.push(performance.now() - dueMs)))
    }
    await Promise.all(asked)
    for (const connection of connections) connection.close()
  }
  await Promise.all(Array.from({ length: load.guests }, (_, index) => run(load.first + index)))
  return took
}

function p99(values: readonly number[]): number {
  return values.toSorted((a, b) => a - b)[Math.floor(values.length * 0.99)] ?? Number.NaN
}

/** A connection that asks for one document and reads no more of an answer than its status and where it ends. */
async function open(port: number, from: string) {
  const socket: Socket = connect({ port, host: '127.0.0.1', localAddress: from, noDelay: true })
  await once(socket, 'connect')
  const waiting: ((status: number) => void)[] = []
  let rest = ''
  socket.setEncoding('latin1').on('data', (data: string) => {
    rest += data
    for (;;) {
      const headEnd = rest.indexOf('\r\n\r\n')
      const length = /content-length: (\d+)/i.exec(rest.slice(0, Math.max(0, headEnd)))?.[1]
      if (length === undefined || rest.length < headEnd + 4 + Number(length)) return
      waiting.shift()?.(Number(rest.slice(9, 12)))
      rest = rest.slice(headEnd + 4 + Number(length))
    }
  })
  return {
    ask: () =>
      new Promise<number>((resolve) => {
        waiting.push(resolve)
        socket.write('GET /meta-data HTTP/1.1\r\nHost: 169.254.169.254\r\n\r\n')
      }),
    close: () => socket.destroy(),
  }
}
