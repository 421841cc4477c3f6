import { describe, expect, it } from 'vitest'
import { type Document, parseQuestion } from '../../../agent/metadata/document.ts'
import { answerEc2, answerWithoutToken } from '../../../agent/metadata/ec2-answer.ts'
import { createEc2Tokens } from '../../../agent/metadata/ec2-tokens.ts'
import { renderEc2Tree } from '../../../agent/plan/ec2-tree.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'

const nowMs = Date.parse('2026-06-01T00:00:00Z')
const expired = 'old:ssh-rsa BBBB google-ssh {"userName":"old","expireOn":"2020-01-01T00:00:00+0000"}'
const spec = specOf({
  id: 'web-1',
  hostname: 'web-1.example.internal',
  zone: 'us1-a',
  nics: [
    {
      ...{
        name: 'nic0',
        macAddress: '02:00:00:00:00:01',
        ipv4Address: '10.0.0.7',
        ipv6Address: 'fd5b:1::a00:7',
      },
      network: { ipv4Cidr: '10.0.0.0/24', ipv6Cidr: 'fd5b:1::/64' },
    },
  ],
  disks: [{ deviceName: 'disk0', boot: true, image: { id: 'debian-12' } }],
  metadata: [{ key: 'ssh-keys', value: `admin:ssh-ed25519 AAAA a\n${expired}\nguest:ssh-rsa CCCC` }],
})
const nocloud = { 'meta-data': '', 'user-data': '#!/bin/sh\n', 'vendor-data': '', 'network-config': '' }
const document: Document = { instanceUid: spec.uid, nocloud, gce: {}, ec2: renderEc2Tree(spec, nowMs) }

function get(path: string, of: Document | undefined = document) {
  const question = parseQuestion('GET', path, { 'x-aws-ec2-metadata-token': 'a' })
  if (question.kind === 'refused') return question.answer
  if (question.kind !== 'ec2') throw new Error(`${path} is not for this.`)
  return answerEc2(of, question.path)
}

describe('a token', () => {
  const tokens = createEc2Tokens(Buffer.alloc(32, 7))
  const token = tokens.issue('10.0.0.7', nowMs + 1000)

  it('is good for who got it, until it ends', () => {
    expect(tokens.isGood(token, '10.0.0.7', nowMs)).toBe(true)
    expect(tokens.isGood(token, '10.0.0.8', nowMs)).toBe(false)
    expect(tokens.isGood(token, '10.0.0.7', nowMs + 1000)).toBe(false)
    expect(createEc2Tokens(Buffer.alloc(32, 8)).isGood(token, '10.0.0.7', nowMs)).toBe(false)
  })

  it('is none after any change to it', () => {
    const [until = '', proof = ''] = token.split('.')
    const later = (Number.parseInt(until, 36) + 1).toString(36)
    for (const other of ['', '.', proof, `${later}.${proof}`, `${token}a`, `${until}.${proof.slice(1)}`]) {
      expect(tokens.isGood(other, '10.0.0.7', nowMs)).toBe(false)
    }
  })

  it.each([
    ['PUT', { 'x-aws-ec2-metadata-token-ttl-seconds': '60' }, { kind: 'ec2-token', ttlSeconds: 60 }],
    ['PUT', {}, { answer: { status: 400 } }],
    ['PUT', { 'x-aws-ec2-metadata-token-ttl-seconds': '0' }, { answer: { status: 400 } }],
    ['PUT', { 'x-aws-ec2-metadata-token-ttl-seconds': '21601' }, { answer: { status: 400 } }],
    ['PUT', { 'x-aws-ec2-metadata-token-ttl-seconds': '6e1' }, { answer: { status: 400 } }],
    [
      'PUT',
      { 'x-aws-ec2-metadata-token-ttl-seconds': '60', 'x-forwarded-for': '10.0.0.9' },
      { answer: { status: 403 } },
    ],
    ['GET', {}, { answer: { status: 405, headers: { allow: 'PUT' } } }],
  ])('is what %s with %o leads to', (method, headers, expected) => {
    expect(parseQuestion(method, '/latest/api/token', headers)).toMatchObject(expected)
  })

  it('is needed for everything', () => {
    expect(answerWithoutToken(document, ['meta-data']).status).toBe(401)
    const openstack: Document = { ...document, flavour: 'OPENSTACK' }
    expect(answerWithoutToken(openstack, ['meta-data'])).toMatchObject({ status: 200, body: '' })
    expect(answerWithoutToken(openstack, ['user-data']).status).toBe(401)
  })
})

describe("Amazon's tree", () => {
  it('lists directories with or without a slash, and keys by their names', () => {
    expect(get('/latest/meta-data/').body.split('\n')).toContain('public-keys/')
    expect(get('/2021-03-23/meta-data/network/interfaces/macs').body).toBe('02:00:00:00:00:01/')
    expect(get('/latest/dynamic/instance-identity').body).toBe('document')
    expect(get('/latest/meta-data/public-keys/').body).toBe('0=key-0\n1=key-1')
  })

  it('reads every entry that it lists', () => {
    const walk = (path: string): number =>
      get(path)
        .body.split('\n')
        .map((entry) => {
          const [index, named] = entry.split('=')
          if (named !== undefined) return walk(`${path}${index}/`)
          if (entry.endsWith('/')) return walk(`${path}${entry}`)
          expect(get(`${path}${entry}`), `${path}${entry}`).toMatchObject({ status: 200 })
          return 1
        })
        .reduce((sum, count) => sum + count, 0)
    expect(walk('/latest/meta-data/')).toBeGreaterThan(20)
  })

  it('says what the instance is', () => {
    expect(get('/latest/meta-data/instance-id').body).toBe(spec.uid)
    expect(get('/latest/meta-data/public-keys/1/openssh-key').body).toBe('ssh-rsa CCCC')
    expect(get('/latest/meta-data/network/interfaces/macs/02:00:00:00:00:01/ipv6s').body).toBe(
      'fd5b:1::a00:7',
    )
    expect(get('/latest/user-data').body).toBe('#!/bin/sh\n')
    expect(JSON.parse(get('/latest/dynamic/instance-identity/document').body)).toMatchObject({
      ...{ availabilityZone: 'us1-a', privateIp: '10.0.0.7' },
    })
  })

  it.each([
    '/latest/meta-data/nothing',
    '/latest/meta-data/hostname/x',
    '/latest/user-data/x',
    '/latest/meta-data/__proto__',
  ])('has no %s', (path) => {
    expect(get(path).status).toBe(404)
  })

  it('has no user-data where there is none, and is not ready without a document', () => {
    const none = { ...document, nocloud: { ...nocloud, 'user-data': '' } }
    expect(get('/latest/user-data', none).status).toBe(404)
    expect(answerEc2(undefined, ['meta-data'])).toMatchObject({
      status: 503,
      headers: { 'retry-after': '1' },
    })
  })
})
