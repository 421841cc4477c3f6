import { decodeJwt, decodeProtectedHeader } from 'jose'
import { describe, expect, it } from 'vitest'
import { createIdentityKeys } from '../../../agent/drivers/metadata/identity-keys.ts'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { type Document, parseQuestion } from '../../../agent/metadata/document.ts'
import { parseIdentityFile } from '../../../agent/metadata/identity-file.ts'
import { answerIdentity } from '../../../agent/metadata/identity-token.ts'
import { renderIdentityClaims } from '../../../agent/plan/identity-claims.ts'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'

const header = { 'metadata-flavor': 'Google', host: 'metadata.google.internal' }
const path = '/computeMetadata/v1/instance/service-accounts/default/identity'
const parse = (query: string, headers: Record<string, string> = header) =>
  parseQuestion('GET', `${path}${query}`, headers)
const spec = specOf({
  ...{ project: 'project-x9y8z7', region: 'us-texas-1', zone: 'us1-a', instanceType: 'g1-small' },
  createdAt: '2026-08-01T00:00:00Z',
  disks: [{ deviceName: 'data' }, { deviceName: 'disk0', boot: true, image: { id: 'debian-12' } }],
  gpus: [
    { type: 'nvidia-h100-80gb', address: '0000:01:00.0' },
    { type: 'nvidia-h100-80gb', address: '0000:02:00.0' },
  ],
})
const document = { identity: renderIdentityClaims(spec) } as Document
const nowMs = 1_800_000_000_500

async function identityOf(issuer = 'https://berth.example.net/identity') {
  const files = new FakeFiles({ totalBytes: 1e6, nowMs: () => 0 })
  const directories = { state: '/state', run: '/run' }
  const keys = createIdentityKeys({ files, directories, clock: systemClock, log: silentLogger })
  await keys.announce()
  await keys.published(issuer)
  return parseIdentityFile(new TextDecoder().decode(await files.read('/state/metadata/identity.json')))
}

describe('a request for an identity', () => {
  it('says for whom it is, and whether what the instance is belongs in it', () => {
    expect(parse('?audience=https%3A%2F%2Fa.example%2F%3Fb')).toEqual({
      ...{ kind: 'identity', audience: 'https://a.example/?b', isFull: false },
    })
    expect(parse('?audience=a&format=full')).toMatchObject({ audience: 'a', isFull: true })
  })

  it('is refused with what is right', () => {
    const refused: Record<string, RegExp> = {
      '': /\?audience=https/,
      '?audience=': /\?audience=https/,
      '?audience=a&audience=b': /more than once/,
      [`?audience=${'a'.repeat(1025)}`]: /1 to 1024 characters/,
      '?audience=a%0Ab': /control characters/,
      '?audience=a&format=long': /standard or full/,
    }
    for (const [query, sentence] of Object.entries(refused)) {
      expect(parse(query), query).toMatchObject({
        kind: 'refused',
        answer: {
          status: 400,
          body: expect.stringMatching(sentence),
          headers: { 'metadata-flavor': 'Google' },
        },
      })
    }
    expect(parse('?audience=a', {})).toMatchObject({ answer: { status: 403 } })
    const forwarded = { ...header, 'x-forwarded-for': '10.0.0.1' }
    expect(parse('?audience=a', forwarded)).toMatchObject({ answer: { status: 403 } })
  })
})

describe('an identity', () => {
  const question = { kind: 'identity', audience: 'https://vault.example', isFull: true } as const

  it('says who the instance is, for an hour', async () => {
    const identity = await identityOf()
    const { status, body } = answerIdentity(question, document, { identity, nowMs })
    expect(status).toBe(200)
    expect(decodeProtectedHeader(body)).toEqual({ alg: 'ES256', typ: 'JWT', kid: identity.current?.kid })
    expect(decodeJwt(body)).toEqual({
      iss: 'https://berth.example.net/identity',
      sub: `project:project-x9y8z7:instance:${spec.uid}`,
      aud: 'https://vault.example',
      iat: 1_800_000_000,
      exp: 1_800_003_600,
      berth: {
        ...{ region: 'us-texas-1', zone: 'us1-a', project: 'project-x9y8z7' },
        instance: { id: 'small', uid: spec.uid, createdAt: '2026-08-01T00:00:00Z' },
        ...{ instanceType: 'g1-small', image: 'debian-12' },
        gpus: [{ type: 'nvidia-h100-80gb', count: 2 }],
      },
    })
    const standard = answerIdentity({ ...question, isFull: false }, document, { identity, nowMs })
    expect(decodeJwt(standard.body)).not.toHaveProperty('berth')
  })

  it('comes later where the document, the issuer or a published key is missing', async () => {
    const identity = await identityOf()
    const missing: Parameters<typeof answerIdentity>[2]['identity'][] = [
      undefined,
      { former: [] },
      { ...identity, current: undefined },
      { ...identity, issuer: undefined },
    ].map((one) => one as typeof identity | undefined)
    for (const one of missing) {
      expect(answerIdentity(question, document, { identity: one, nowMs })).toMatchObject({ status: 503 })
    }
    expect(answerIdentity(question, undefined, { identity, nowMs })).toMatchObject({ status: 503 })
    expect(answerIdentity(question, {} as Document, { identity, nowMs })).toMatchObject({ status: 503 })
  })
})
