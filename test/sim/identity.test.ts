// From the guest's question to a verifier's yes: the real metadata server over the documents and the key of a real agent,
// whose public key the real scheduler publishes over HTTP.
import type { Server } from 'node:http'
import { get } from 'node:http'
import type { AddressInfo } from 'node:net'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createAttributeStore } from '../../agent/metadata/attribute-store.ts'
import { parseDocument } from '../../agent/metadata/document.ts'
import { parseIdentityFile } from '../../agent/metadata/identity-file.ts'
import { createMetadataServer } from '../../agent/metadata/server.ts'
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import { systemRandom } from '../../lib/random.ts'
import { hostId } from '../../proto/ids.ts'
import { type ApiServer, startApiServer } from '../../scheduler/api/server.ts'
import type { InstanceRecord } from '../../scheduler/model/instance.ts'
import { changeHost } from '../../scheduler/operations/change-host.ts'
import { identityIssuer, type SmallRegion, startSmallRegion } from './small-region.ts'

const audience = 'https://vault.example'
let region: SmallRegion
let api: ApiServer
let metadata: Server
/** Loopback address that a guest asks from → its own. */
const guests = new Map<string, string>()

beforeAll(async () => {
  region = await startSmallRegion('8xnvidia-h100-80gb')
  api = await startApiServer({
    ...{ host: '127.0.0.1', port: 0, ports: region.ports, requestsPerMinute: 1e9 },
    verifier: { verify: () => Promise.reject(new Error('What is public asks nobody.')) },
    login: { issuer: '', audience: '' },
  })
  const read = async (path: string) => {
    const content = await region.host.files.read(`/state/metadata/${path}`)
    return content && new TextDecoder().decode(content)
  }
  metadata = createMetadataServer({
    documents: {
      read: async (from) => {
        const text = await read(`0192a5b0-0000-7000-8000-4f2a90c1d3e5/${guests.get(from)}.json`)
        return text === undefined ? undefined : parseDocument(text)
      },
      watch: () => () => {},
    },
    readIdentity: async () => {
      const text = await read('identity.json')
      return text === undefined ? undefined : parseIdentityFile(text)
    },
    attributes: createAttributeStore(),
    ...{ clock: systemClock, random: systemRandom, log: silentLogger },
  })
  await new Promise<void>((resolve) => metadata.listen(0, '127.0.0.1', resolve))
})

afterAll(async () => {
  metadata.closeAllConnections()
  metadata.close()
  await api.close()
  await region.close()
})

async function runningGuest(from: string): Promise<InstanceRecord> {
  const { uid } = await region.create({ gpus: [{ type: 'nvidia-h100-80gb', count: 1 }] })
  const instance = await region.until(uid, (one) => one?.status === 'RUNNING')
  if (instance === undefined) throw new Error('It does not run.')
  guests.set(from, instance.spec.nics[0]?.ipv4Address ?? '')
  return instance
}

function ask(from: string, query = `?audience=${audience}&format=full`, headers = {}): Promise<string> {
  const { port } = metadata.address() as AddressInfo
  const path = `/computeMetadata/v1/instance/service-accounts/default/identity${query}`
  return new Promise((resolve, reject) => {
    const options = {
      ...{ host: '127.0.0.1', port, path, localAddress: from, agent: false },
      headers: { 'metadata-flavor': 'Google', host: 'metadata.google.internal', ...headers },
    }
    get(options, (response) => {
      let text = ''
      response.on('data', (data) => {
        text += String(data)
      })
      response.on('end', () => resolve(text))
    }).on('error', reject)
  })
}

const identityUrl = () => `${api.url}/v1/regions/us-texas-1/identity`
const keySet = (query = '') => createRemoteJWKSet(new URL(`${identityUrl()}/jwks.json${query}`))
const expected = { issuer: identityIssuer, audience }

it('a token that a guest shows is verified with the keys that the scheduler publishes', async () => {
  const instance = await runningGuest('127.0.0.5')
  const token = await ask('127.0.0.5')
  const { payload, protectedHeader } = await jwtVerify(token, keySet(), expected)
  expect(protectedHeader.alg).toBe('ES256')
  const { uid, id } = instance
  expect(payload).toMatchObject({
    sub: `project:project-x9y8z7:instance:${uid}`,
    berth: {
      ...{ region: 'us-texas-1', zone: 'us1-a', project: 'project-x9y8z7', instanceType: 'g1-small' },
      ...{ instance: { id, uid }, image: 'debian-12', gpus: [{ type: 'nvidia-h100-80gb', count: 1 }] },
    },
  })
  await expect(jwtVerify(token, keySet(), { ...expected, audience: 'https://other' })).rejects.toThrow(/aud/)
  const [head, , signature] = token.split('.')
  const forged = Buffer.from(JSON.stringify({ ...payload, sub: 'project:other' })).toString('base64url')
  await expect(jwtVerify(`${head}.${forged}.${signature}`, keySet(), expected)).rejects.toThrow(/signature/)
})

it('a guest is itself, whatever it says', async () => {
  const five = await runningGuest('127.0.0.5')
  const six = await runningGuest('127.0.0.6')
  const address = guests.get('127.0.0.6') ?? ''
  const query = `?audience=${audience}&ip=${address}&instance=${six.uid}`
  const { payload } = await jwtVerify(await ask('127.0.0.5', query), keySet(), expected)
  expect(payload.sub).toBe(`project:project-x9y8z7:instance:${five.uid}`)
  expect(await ask('127.0.0.5', query, { 'x-forwarded-for': address })).toMatch(/not answered/)
  expect(await ask('127.0.0.7')).toMatch(/not ready yet/)
})

it('the keys for one subject are those of its host, and of nobody where there is none', async () => {
  const instance = await runningGuest('127.0.0.5')
  const token = await ask('127.0.0.5')
  const sub = `project:project-x9y8z7:instance:${instance.uid}`
  await jwtVerify(token, keySet(`?sub=${sub}`), expected)
  for (const other of [sub.replace('x9y8z7', 'other'), `${sub.slice(0, -1)}${sub.endsWith('0') ? 1 : 0}`]) {
    await expect(jwtVerify(token, keySet(`?sub=${other}`), expected), other).rejects.toThrow(
      /no applicable key/,
    )
  }
  const refused = await fetch(`${identityUrl()}/jwks.json?sub=${instance.uid}`)
  expect(refused.status).toBe(400)
  expect(await refused.json()).toMatchObject({
    error: { details: [{ field: 'sub', message: expect.stringContaining('project:PROJECT:instance:UID') }] },
  })
})

it('an agent that starts again signs with the same key, and one that is away is missed by nobody', async () => {
  await runningGuest('127.0.0.5')
  const before = await ask('127.0.0.5')
  await region.restartAgent()
  const after = await ask('127.0.0.5')
  const keys = keySet()
  for (const token of [before, after]) await jwtVerify(token, keys, expected)
  expect(await (await fetch(`${identityUrl()}/jwks.json`)).json()).toMatchObject({ keys: [{ use: 'sig' }] })
})

it('what is published needs no token, and says where the rest is', async () => {
  const discovery = await fetch(`${identityUrl()}/.well-known/openid-configuration`)
  expect(discovery.headers.get('cache-control')).toBe('public, max-age=60')
  expect(await discovery.json()).toMatchObject({
    ...{ issuer: identityIssuer, jwks_uri: `${identityIssuer}/jwks.json` },
  })
  expect((await fetch(`${api.url}/v1/regions/elsewhere/identity/jwks.json`)).status).toBe(404)
})

// The last: nothing is to be had of this region after it.
it('the key of a host that is given up is published no more', async () => {
  await runningGuest('127.0.0.5')
  const token = await ask('127.0.0.5')
  await region.stopAgent()
  const operator = { principal: 'operator', requestId: 'req_test' }
  const fence = { verb: 'fence', hostId: hostId('sim-1'), confirm: 'sim-1', ...operator } as const
  expect(await changeHost(fence, region.ports)).toMatchObject({ kind: 'done', value: { state: 'fenced' } })
  await expect(jwtVerify(token, keySet(), expected)).rejects.toThrow(/no applicable key/)
})
