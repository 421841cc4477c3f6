// Guest attributes over real HTTP, in real files.
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { request, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createAttributeStore } from '../../../agent/metadata/attribute-store.ts'
import { createDocumentFiles } from '../../../agent/metadata/document-files.ts'
import { attributeLimits } from '../../../agent/metadata/guest-attributes.ts'
import { createMetadataServer, type MetadataServerOptions } from '../../../agent/metadata/server.ts'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { systemRandom } from '../../../lib/random.ts'

const fast = { connections: 0, burst: 1e9, perSecond: 0 }
let directory: string
let server: Server

beforeEach(async () => {
  directory = mkdtempSync(join(tmpdir(), 'berth-attributes-'))
  for (const guest of ['127.0.0.5', '127.0.0.6']) publish(guest, true)
  await start()
})
afterEach(() => {
  stop()
  rmSync(directory, { recursive: true })
})

const slotsOf = (guest: string) => [0, 1].map((slot) => join(directory, `${guest}.slot-${slot}`))

function publish(guest: string, isEnabled: boolean): void {
  const nocloud = { 'meta-data': '', 'user-data': '', 'vendor-data': '', 'network-config': '' }
  const document = {
    ...{ instanceUid: guest, nocloud, gce: { instance: { name: guest } } },
    ...(isEnabled ? { attributeSlots: slotsOf(guest) } : {}),
  }
  writeFileSync(join(directory, `${guest}.json`), JSON.stringify(document))
  if (isEnabled) for (const path of slotsOf(guest)) writeFileSync(path, '')
}

async function start(options: Partial<MetadataServerOptions> = {}): Promise<void> {
  server = createMetadataServer({
    documents: createDocumentFiles(directory, systemClock),
    readIdentity: async () => undefined,
    attributes: createAttributeStore(),
    ...{ clock: systemClock, random: systemRandom, log: silentLogger, attributeLimits: fast },
    ...options,
  })
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
}

function stop(): void {
  server.closeAllConnections()
  server.close()
}

/** Status, and body where there is one; a path with a slash is not of the attributes. */
function ask(method: string, path: string, { body = '', from = '127.0.0.5' } = {}): Promise<string> {
  const { port } = server.address() as AddressInfo
  const options = {
    ...{ method, host: '127.0.0.1', port, localAddress: from, agent: false },
    path: `/computeMetadata/v1/instance/${path.startsWith('/') ? path.slice(1) : `guest-attributes/${path}`}`,
    headers: { 'metadata-flavor': 'Google', host: 'metadata.google.internal' },
  }
  return new Promise((resolve, reject) => {
    const asking = request(options, (response) => {
      let text = ''
      response.on('data', (data) => {
        text += String(data)
      })
      response.on('end', () => resolve(`${response.statusCode} ${text}`.trim()))
    })
    asking.on('error', reject)
    asking.end(body)
  })
}

const put = (path: string, body: string, from?: string) =>
  ask('PUT', path, { body, ...(from === undefined ? {} : { from }) })

it('what a guest puts it reads again, and nobody else', async () => {
  expect(await put('app/state', 'ready ☃')).toBe('200')
  expect(await put('app/empty', '')).toBe('200')
  expect(await put('hostkeys/ssh-rsa', 'AAAA')).toBe('200')
  expect(await ask('GET', 'app/state')).toBe('200 ready ☃')
  expect(await ask('GET', '')).toBe('200 app/\nhostkeys/')
  expect(await ask('GET', 'app/')).toBe('200 empty\nstate')
  expect(await ask('GET', '?recursive=true')).toBe(
    '200 {"app":{"empty":"","state":"ready ☃"},"hostkeys":{"ssh-rsa":"AAAA"}}',
  )
  expect(await ask('GET', 'app/state', { from: '127.0.0.6' })).toMatch(/^404 /)
  expect(await ask('GET', '', { from: '127.0.0.6' })).toBe('200')
  expect(await ask('DELETE', 'app/state')).toBe('200')
  expect(await ask('GET', 'app/state')).toMatch(/^404 /)
  expect(await ask('DELETE', 'app/state')).toBe('200')
})

it('is refused where it is not enabled, and what was put before stays', async () => {
  await put('app/state', 'ready')
  const document = JSON.parse(readFileSync(join(directory, '127.0.0.5.json'), 'utf8'))
  writeFileSync(join(directory, '127.0.0.5.json'), JSON.stringify({ ...document, attributeSlots: undefined }))
  for (const method of ['GET', 'PUT', 'DELETE']) {
    expect(await ask(method, 'app/state'), method).toMatch(/^403 .*enable-guest-attributes/)
  }
  writeFileSync(join(directory, '127.0.0.5.json'), JSON.stringify(document))
  expect(await ask('GET', 'app/state')).toBe('200 ready')
})

it('survives the service, and a write that broke off', async () => {
  await put('app/state', 'one')
  await put('app/state', 'two')
  stop()
  await start()
  expect(await ask('GET', 'app/state')).toBe('200 two')
  // The second write went to the second slot.
  writeFileSync(slotsOf('127.0.0.5')[1] ?? '', '{"sequence":2,"attri')
  expect(await ask('GET', 'app/state')).toBe('200 one')
  expect(await put('app/state', 'three')).toBe('200')
  expect(await ask('GET', 'app/state')).toBe('200 three')
})

it('changes at once one after the other: none is lost', async () => {
  const keys = Array.from({ length: 16 }, (_, index) => `k${index}`)
  expect(await Promise.all(keys.map((key) => put(`app/${key}`, key)))).toEqual(keys.map(() => '200'))
  expect((await ask('GET', 'app/')).split('\n')).toHaveLength(16)
})

it('a guest that writes without end fills nothing', async () => {
  const large = 'a'.repeat(attributeLimits.valueBytes)
  expect(await put('app/large', large)).toBe('200')
  expect(await put('app/large', `${large}a`)).toBe('413 A guest attribute has at most 32768 bytes.')
  const answers: string[] = []
  for (let index = 0; index < 12; index += 1) answers.push(await put(`app/l${index}`, large))
  expect(answers.slice(0, 6)).toEqual(Array(6).fill('200'))
  expect(answers.at(-1)).toMatch(/^400 All guest attributes together have at most 262144 bytes/)
  for (const path of slotsOf('127.0.0.5')) {
    expect(statSync(path).size).toBeLessThanOrEqual(attributeLimits.slotBytes)
  }
  expect(await ask('GET', 'app/large')).toBe(`200 ${large}`)
})

it('refuses what is no text', async () => {
  const { port } = server.address() as AddressInfo
  const status = await new Promise((resolve, reject) => {
    const asking = request(
      {
        ...{ method: 'PUT', host: '127.0.0.1', port, localAddress: '127.0.0.5', agent: false },
        path: '/computeMetadata/v1/instance/guest-attributes/a/b',
        headers: { 'metadata-flavor': 'Google', host: 'metadata' },
      },
      (response) => {
        response.resume()
        resolve(response.statusCode)
      },
    )
    asking.on('error', reject)
    asking.end(Buffer.of(0xc3, 0x28))
  })
  expect(status).toBe(400)
})

it('lets a guest that asks too fast wait, here alone', async () => {
  stop()
  await start({ attributeLimits: { connections: 0, burst: 2, perSecond: 0 } })
  expect(await put('a/b', '1')).toBe('200')
  expect(await ask('GET', 'a/b')).toBe('200 1')
  expect(await put('a/b', '2')).toMatch(/^429 /)
  expect(await put('a/b', '2', '127.0.0.6')).toBe('200')
  expect(await ask('GET', '/name')).toBe('200 127.0.0.5')
})

it('has nowhere to put it once its files are gone', async () => {
  for (const path of slotsOf('127.0.0.5')) rmSync(path)
  expect(await put('a/b', '1')).toMatch(/^503 /)
  expect(slotsOf('127.0.0.5').filter((path) => statSync(path, { throwIfNoEntry: false }))).toEqual([])
})
