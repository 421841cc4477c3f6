// What this machine can do at most, in the same run: bare node:http that answers the same bytes at the same connections,
// and one prepared insert with as many rows to a flush as the store had placements. node bench/create/floor.ts ANSWER
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { rmSync } from 'node:fs'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { askAll, openClient } from './clients.ts'

if (process.argv[1] === import.meta.filename) serve(process.argv[2] ?? '')

/** Reads the whole body, as anybody must who answers it. */
function serve(body: string): void {
  const server = createServer((request, response) => {
    request.setEncoding('utf8').on('data', () => {})
    request.on('end', () => {
      response.writeHead(202, {
        'content-type': 'application/json',
        'content-length': Buffer.byteLength(body),
      })
      response.end(body)
    })
  })
  server.listen(0, '127.0.0.1', () => process.send?.((server.address() as AddressInfo).port))
}

export async function measureHttp(options: {
  readonly request: Buffer
  readonly answer: string
  readonly connections: number
  readonly seconds: number
}): Promise<number> {
  const child = fork(import.meta.filename, [options.answer])
  const [port] = (await once(child, 'message')) as [number]
  const clients = await Promise.all(Array.from({ length: options.connections }, () => openClient(port)))
  const run = async (seconds: number) => {
    const untilMs = performance.now() + seconds * 1000
    const next = () => (performance.now() < untilMs ? options.request : undefined)
    const { took, ms } = await askAll(clients, next, () => {})
    return took.length / (ms / 1000)
  }
  await run(options.seconds / 4)
  const perSecond = await run(options.seconds)
  for (const client of clients) client.close()
  child.kill()
  return perSecond
}

/** Rows a second, each of one create's bytes, flushed as the store flushes. */
export function measureInserts(options: {
  readonly directory: string
  readonly row: string
  readonly rowsInFlush: number
  readonly seconds: number
}): number {
  const path = join(options.directory, 'floor.sqlite')
  const database = new Database(path)
  database.pragma('journal_mode = WAL')
  database.pragma('synchronous = FULL')
  database.exec('CREATE TABLE creates (number INTEGER PRIMARY KEY, body TEXT NOT NULL)')
  const insert = database.prepare('INSERT INTO creates (body) VALUES (?)')
  const flush = database.transaction(() => {
    for (let row = 0; row < options.rowsInFlush; row += 1) insert.run(options.row)
  })
  let rows = 0
  const beganMs = performance.now()
  const untilMs = beganMs + options.seconds * 1000
  for (; performance.now() < untilMs; rows += options.rowsInFlush) flush()
  const perSecond = rows / ((performance.now() - beganMs) / 1000)
  database.close()
  for (const ending of ['', '-wal', '-shm']) rmSync(`${path}${ending}`, { force: true })
  return perSecond
}
