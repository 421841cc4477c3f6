import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import type { Server } from 'node:http'
import { type AddressInfo, connect } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import type { AskerLimits } from '../../../agent/metadata/askers.ts'
import { createAttributeStore } from '../../../agent/metadata/attribute-store.ts'
import { createDocumentFiles } from '../../../agent/metadata/document-files.ts'
import { createMetadataServer } from '../../../agent/metadata/server.ts'
import { systemClock } from '../../../lib/clock.ts'
import { type Logger, silentLogger } from '../../../lib/log.ts'
import { systemRandom } from '../../../lib/random.ts'

let directory: string
let server: Server | undefined
let port: number

beforeEach(() => {
  directory = mkdtempSync(join(tmpdir(), 'berth-documents-'))
})

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  rmSync(directory, { recursive: true })
})

function publish(address: string, metaData: string, motto = 'none'): void {
  const nocloud = { 'meta-data': metaData, 'user-data': '', 'vendor-data': '', 'network-config': '' }
  writeFileSync(
    join(directory, `${address}.json`),
    JSON.stringify({ instanceUid: 'a', nocloud, gce: { instance: { attributes: { motto } } } }),
  )
}

async function start(options: { limits?: AskerLimits; log?: Logger } = {}): Promise<void> {
  const documents = createDocumentFiles(directory, systemClock)
  const made = createMetadataServer({
    ...{ readIdentity: async () => undefined, attributes: createAttributeStore() },
    ...{ documents, clock: systemClock, random: systemRandom, log: silentLogger },
    ...options,
  })
  server = made
  await new Promise<void>((resolve) => made.listen(0, '127.0.0.1', resolve))
  port = (made.address() as AddressInfo).port
}

/** All bytes that come back until the server closes; every loopback address stands for a guest. */
function ask(from: string, text: string): Promise<string> {
  return new Promise((resolve) => {
    const socket = connect({ host: '127.0.0.1', port, localAddress: from }, () => socket.write(text))
    let received = ''
    socket.on('data', (data) => {
      received += data.toString()
    })
    socket.on('error', () => {})
    socket.on('close', () => resolve(received))
  })
}

const get = (path: string, from = '127.0.0.5') =>
  ask(from, `GET ${path} HTTP/1.1\r\nHost: 169.254.169.254\r\nConnection: close\r\n\r\n`)

describe('createMetadataServer', () => {
  it('gives each guest its own document, whatever it claims', async () => {
    await start()
    publish('127.0.0.5', 'five')
    publish('127.0.0.6', 'six')
    expect(await get('/meta-data', '127.0.0.5')).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\nfive$/s)
    expect(await get('/meta-data', '127.0.0.6')).toMatch(/\r\n\r\nsix$/)
    const lie =
      'GET /meta-data HTTP/1.1\r\nHost: x\r\nX-Forwarded-For: 127.0.0.6\r\nConnection: close\r\n\r\n'
    expect(await ask('127.0.0.5', lie)).toMatch(/\r\n\r\nfive$/)
  })

  it('answers an unused document with an empty body and an unknown path with 404', async () => {
    await start()
    publish('127.0.0.5', 'five')
    expect(await get('/user-data')).toMatch(/^HTTP\/1\.1 200 .*content-length: 0\r\n/s)
    expect(await get('/latest/meta-data')).toMatch(/^HTTP\/1\.1 401 /)
    expect(await get('/latest/nothing')).toMatch(/^HTTP\/1\.1 404 /)
  })

  it('asks a guest whose document is not there yet to come again, and then has it', async () => {
    await start()
    expect(await get('/meta-data')).toMatch(/^HTTP\/1\.1 503 .*retry-after: 1\r\n/s)
    publish('127.0.0.5', 'five')
    expect(await get('/meta-data')).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('answers HEAD without a body and refuses other methods', async () => {
    await start()
    publish('127.0.0.5', 'five')
    const head = await ask('127.0.0.5', 'HEAD /meta-data HTTP/1.1\r\nHost: x\r\nConnection: close\r\n\r\n')
    expect(head).toMatch(/^HTTP\/1\.1 200 .*content-length: 4\r\n.*\r\n\r\n$/s)
    const post = 'POST /meta-data HTTP/1.1\r\nHost: x\r\nContent-Length: 1\r\nConnection: close\r\n\r\na'
    expect(await ask('127.0.0.5', post)).toMatch(/^HTTP\/1\.1 405 /)
  })

  it('refuses headers without end, and what is no HTTP', async () => {
    await start()
    const long = `GET /meta-data HTTP/1.1\r\nHost: x\r\nX: ${'a'.repeat(20_000)}\r\n\r\n`
    expect(await ask('127.0.0.5', long)).toMatch(/^HTTP\/1\.1 431 /)
    expect(await ask('127.0.0.5', '\0\0\0\r\n\r\n')).toMatch(/^HTTP\/1\.1 400 /)
  })

  it('lets one guest that asks too fast wait, and nobody else', async () => {
    await start({ limits: { connections: 9, burst: 2, perSecond: 0 } })
    publish('127.0.0.5', 'five')
    publish('127.0.0.6', 'six')
    await get('/meta-data')
    await get('/meta-data')
    expect(await get('/meta-data')).toMatch(/^HTTP\/1\.1 429 .*retry-after: 1\r\n/s)
    expect(await get('/meta-data', '127.0.0.6')).toMatch(/^HTTP\/1\.1 200 /)
  })

  it('tells who waits at once, and ends the wait of who has gone', async () => {
    await start()
    publish('127.0.0.5', 'five')
    publish('127.0.0.6', 'six')
    const path = '/computeMetadata/v1/instance/attributes/motto'
    const header = 'Metadata-Flavor: Google\r\nHost: metadata\r\nConnection: close\r\n\r\n'
    const wait = (query: string, from = '127.0.0.5') =>
      ask(from, `GET ${path}?wait_for_change=true&${query} HTTP/1.1\r\n${header}`)
    const first = await wait('last_etag=NONE')
    const etag = /etag: (\w+)/.exec(first)?.[1] ?? ''
    const waiting = wait(`last_etag=${etag}&timeout_sec=60`)
    const other = wait(`last_etag=${etag}&timeout_sec=0`, '127.0.0.6')
    expect(await other).toMatch(/\r\n\r\nnone$/)
    publish('127.0.0.6', 'six', 'not yours')
    publish('127.0.0.5', 'five', 'onwards')
    expect(await waiting).toMatch(/^HTTP\/1\.1 200 .*\r\n\r\nonwards$/s)
    const gone = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.5' }, () =>
      gone.end(`GET ${path}?wait_for_change=true HTTP/1.1\r\n${header}`),
    )
    await new Promise((resolve) => server?.once('request', (_, response) => response.once('close', resolve)))
  })

  it('closes connections beyond those that one guest may hold', async () => {
    await start({ limits: { connections: 1, burst: 9, perSecond: 0 } })
    publish('127.0.0.5', 'five')
    publish('127.0.0.6', 'six')
    const held = connect({ host: '127.0.0.1', port, localAddress: '127.0.0.5' })
    await new Promise((resolve) => server?.once('connection', resolve))
    expect(await get('/meta-data', '127.0.0.5')).toBe('')
    expect(await get('/meta-data', '127.0.0.6')).toMatch(/^HTTP\/1\.1 200 /)
    held.destroy()
  })

  it('answers a broken document with 503 and logs none of it', async () => {
    const logged: unknown[] = []
    await start({ log: { ...silentLogger, error: (...line) => logged.push(line) } })
    writeFileSync(join(directory, '127.0.0.5.json'), 'password-of-a-guest')
    expect(await get('/meta-data')).toMatch(/^HTTP\/1\.1 503 /)
    expect(logged).toHaveLength(1)
    expect(JSON.stringify(logged)).not.toContain('password-of-a-guest')
  })
})
