import fc from 'fast-check'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exampleImage, exampleKey, exampleType } from '../admission/context.ts'
import { type Answer, instancesPath, type Region, startRegion } from './region.ts'

let region: Region
beforeAll(async () => {
  region = await startRegion({ hosts: 2 })
})
afterAll(() => region.close())

const post = (body: unknown, headers: Record<string, string> = {}) =>
  region.call('POST', instancesPath, { body, headers })
const small = { type: '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small' }
const details = ({ body }: Answer): readonly (readonly [string, string])[] =>
  (body.error.details as { field: string; reason: string }[]).map(({ field, reason }) => [field, reason])
const countInstances = async () =>
  ((await region.call('GET', `${instancesPath}?pageSize=500`)).body.instances as unknown[]).length

/** The published example with names that exist here. */
const published = {
  type: exampleType,
  id: 'instance-d4e5f6',
  displayName: '<string>',
  description: '<string>',
  labels: {},
  instanceMetadata: [{ key: 'ssh-keys', value: `admin:${exampleKey} admin@hostname\n` }],
  hostname: 'a.example.net',
  disks: [
    {
      sizeGb: 123,
      interface: 'SCSI',
      source: exampleImage,
      boot: true,
      type: 'PERSISTENT',
      mode: 'READ_ONLY',
    },
  ],
  nics: [
    {
      network: '/v1/regions/us-texas-1/projects/project-x9y8z7/compute/networks/network-g7h8i9',
      subnet: 'subnet-a1b2c3',
      ipv4Address: '10.30.0.7',
      vlan: 123,
    },
  ],
  gpus: [{ type: 'nvidia-h100-80gb', count: 2 }],
}

describe('POST …/instances', () => {
  it('takes the published example', async () => {
    const answer = await post(published, { 'x-request-id': 'my-own-id' })
    expect(answer.status).toBe(202)
    expect(answer.headers.get('location')).toBe(`${instancesPath}/instance-d4e5f6`)
    expect(answer.headers.get('x-request-id')).toBe('my-own-id')
    expect(answer.headers.get('etag')).toMatch(/^"\d+"$/)
    const { uid, createdAt, updatedAt, lifecycle, nics, ...rest } = answer.body
    expect(uid).toMatch(/^[0-9a-f-]{36}$/)
    for (const time of [createdAt, updatedAt, lifecycle.since]) {
      expect(new Date(time as string).toISOString()).toBe(time)
    }
    expect(lifecycle).toMatchObject({ status: 'PROVISIONING', reason: expect.any(String) as string })
    expect(lifecycle.statusMessage).toContain('READ_ONLY')
    const { macAddress, ...nic } = nics[0]
    expect(macAddress).toMatch(/^02:be:[89a-f]/)
    expect(nic).toEqual({
      ...published.nics[0],
      name: 'nic0',
      subnet: '/v1/regions/us-texas-1/projects/project-x9y8z7/compute/subnets/subnet-a1b2c3',
    })
    const { nics: _nics, ...asked } = published
    expect(rest).toEqual({
      ...asked,
      selfLink: `${instancesPath}/instance-d4e5f6`,
      disks: [{ ...published.disks[0], deviceName: 'disk0', autoDelete: true }],
      gpus: [{ type: '/v1/regions/us-texas-1/zones/us1-a/accelerator-types/nvidia-h100-80gb', count: 2 }],
    })
    expect(region.nudged).toHaveLength(1)
  })

  it('makes up a name and allocates an address', async () => {
    const { status, body } = await post(small)
    expect(status).toBe(202)
    expect(body.id).toMatch(/^instance-[a-z0-9]{6}$/)
    expect(body.hostname).toBe(`${body.id}.us1-a.c.project-x9y8z7.internal`)
    expect(body.nics[0].ipv4Address).toMatch(/^10\.20\.0\.\d+$/)
    expect(body).not.toHaveProperty('displayName')
    expect(JSON.stringify(body)).not.toContain('null')
  })

  it('answers a repeated key with the same instance, and another body with 409', async () => {
    const before = await countInstances()
    const headers = { 'idempotency-key': 'key-1' }
    const first = await post(small, headers)
    const second = await post(small, headers)
    const third = await region.call('POST', `${instancesPath}?requestId=key-1`, { body: small })
    expect([first.status, second.status, third.status]).toEqual([202, 202, 202])
    expect([second.body.uid, third.body.uid]).toEqual([first.body.uid, first.body.uid])
    const other = await post({ ...small, displayName: 'other' }, headers)
    expect([other.status, details(other)[0]?.[1]]).toEqual([409, 'IDEMPOTENCY_KEY_REUSED'])
    expect(await countInstances()).toBe(before + 1)
  })

  it('makes one instance of twenty concurrent requests with one key', async () => {
    const before = await countInstances()
    const answers = await Promise.all(
      Array.from({ length: 20 }, () => post(small, { 'idempotency-key': 'key-concurrent' })),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 20 }, () => 202))
    expect(new Set(answers.map((answer) => answer.body.uid as string)).size).toBe(1)
    expect(await countInstances()).toBe(before + 1)
  })

  it('answers them all alike where one takes the last GPUs there are', async () => {
    const other = await startRegion({ hosts: 1 })
    const call = { body: { type: exampleType, gpus: [{ type: 'nvidia-h100-80gb', count: 2 }] } }
    const headers = { 'idempotency-key': 'the-last' }
    const answers = await Promise.all(
      Array.from({ length: 8 }, () => other.call('POST', instancesPath, { ...call, headers })),
    )
    expect(answers.map((answer) => answer.status)).toEqual(Array.from({ length: 8 }, () => 202))
    expect((await other.call('POST', instancesPath, call)).status).toBe(409)
    await other.close()
  })

  it('refuses two keys that differ, and keys that are none', async () => {
    const two = await region.call('POST', `${instancesPath}?requestId=a`, {
      body: small,
      headers: { 'idempotency-key': 'b' },
    })
    expect([two.status, details(two)]).toEqual([400, [['requestId', 'INVALID_IDEMPOTENCY_KEY']]])
    expect((await post(small, { 'idempotency-key': 'a b' })).status).toBe(400)
  })

  it('refuses a name and an address that are taken', async () => {
    await post({ ...small, id: 'taken', nics: [{ ipv4Address: '10.20.0.77' }] })
    const name = await post({ ...small, id: 'taken' })
    expect([name.status, details(name)]).toEqual([409, [['id', 'NAME_TAKEN']]])
    const address = await post({ ...small, nics: [{ ipv4Address: '10.20.0.77' }] })
    expect([address.status, details(address)]).toEqual([409, [['nics[0].ipv4Address', 'ADDRESS_IN_USE']]])
  })

  it('says why there is no room, by rule and without naming hosts', async () => {
    const full = await post({ type: exampleType, disks: [{ source: exampleImage, sizeGb: 60_000 }] })
    expect(full.status).toBe(422)
    expect(details(full)).toContainEqual(['disks', 'CAN_NEVER_FIT'])
    expect(full.body.error.details[0]).toMatchObject({
      rule: expect.any(String) as string,
      hosts: expect.any(Number) as number,
    })
    expect(JSON.stringify(full.body)).not.toContain('host-')
    const gpus = await post({ type: exampleType, gpus: [{ type: 'nvidia-h100-80gb', count: 8 }] })
    expect([gpus.status, details(gpus)[0]?.[1]]).toEqual([422, 'CAN_NEVER_FIT'])
  })

  it('does not remember a refusal for lack of capacity', async () => {
    const headers = { 'idempotency-key': 'key-retry' }
    const gpu = (count: number) => ({ ...small, gpus: [{ type: 'nvidia-h100-80gb', count }] })
    const taken = await post(gpu(2))
    expect(taken.status).toBe(202)
    const refused = await post(gpu(2), headers)
    expect([refused.status, details(refused)[0]?.[1]]).toEqual([409, 'POOL_CAPACITY_EXCEEDED'])
    expect((await post(gpu(3), headers)).status).toBe(422)
  })
})

describe('bad bodies', () => {
  const withDisk = (disk: object) => ({ ...small, disks: [{ source: exampleImage, ...disk }] })
  const cases: readonly (readonly [string, unknown, number, readonly (readonly [string, string])[]])[] = [
    ['nothing', {}, 400, [['type', 'MISSING_FIELD']]],
    ['a list', [], 400, [['', 'WRONG_TYPE']]],
    ['null', null, 400, [['', 'WRONG_TYPE']]],
    [
      'wrong types',
      { ...small, displayName: 7, disks: {} },
      400,
      [
        ['displayName', 'WRONG_TYPE'],
        ['disks', 'WRONG_TYPE'],
      ],
    ],
    ['a number as text', withDisk({ sizeGb: '20' }), 400, [['disks[0].sizeGb', 'WRONG_TYPE']]],
    ['a fraction', withDisk({ sizeGb: 20.5 }), 400, [['disks[0].sizeGb', 'WRONG_TYPE']]],
    ['an unknown field', { ...small, tags: [] }, 400, [['tags', 'UNKNOWN_FIELD']]],
    ['a bad name', { ...small, id: 'Bad_Name' }, 400, [['id', 'INVALID_VALUE']]],
    ['an empty name', { ...small, id: '' }, 400, [['id', 'INVALID_VALUE']]],
    ['an unknown type', { type: 'g9-huge' }, 422, [['type', 'REFERENCE_NOT_FOUND']]],
    ['an unknown image', withDisk({ source: 'nothing' }), 422, [['disks[0].source', 'REFERENCE_NOT_FOUND']]],
    [
      'an unknown network',
      { ...small, nics: [{ network: 'x' }] },
      422,
      [['nics[0].network', 'REFERENCE_NOT_FOUND']],
    ],
    ['a small disk', withDisk({ sizeGb: 9 }), 422, [['disks[0].sizeGb', 'DISK_TOO_SMALL']]],
    ['an enum', withDisk({ interface: 'IDE' }), 400, [['disks[0].interface', 'INVALID_VALUE']]],
    [
      'GPU count 0',
      { ...small, gpus: [{ type: 'nvidia-h100-80gb', count: 0 }] },
      400,
      [['gpus[0].count', 'INVALID_VALUE']],
    ],
    [
      'too many GPUs',
      { ...small, gpus: [{ type: 'nvidia-h100-80gb', count: 9 }] },
      422,
      [['gpus[0].count', 'TOO_MANY_GPUS']],
    ],
    ['a VLAN', { ...small, nics: [{ vlan: 4095 }] }, 400, [['nics[0].vlan', 'INVALID_VALUE']]],
    [
      'a bad key line',
      { ...small, instanceMetadata: [{ key: 'ssh-keys', value: `admin:${exampleKey}\nadmin:ssh-rsa x` }] },
      400,
      [['instanceMetadata[0].value', 'INVALID_SSH_KEY']],
    ],
    [
      'no type, and meaning in the rest',
      { id: 'x', disks: [{ source: 'nothing' }, 7, { source: 'neither' }] },
      400,
      [
        ['type', 'MISSING_FIELD'],
        ['disks[1]', 'WRONG_TYPE'],
        ['disks[0].source', 'REFERENCE_NOT_FOUND'],
        ['disks[2].source', 'REFERENCE_NOT_FOUND'],
      ],
    ],
    [
      'a list entry that is none, and meaning in the one after it',
      {
        ...small,
        gpus: [{ count: 1 }, { type: 'nothing', count: 1 }],
        instanceMetadata: [{ key: 'a' }, { key: 'b c', value: '' }],
      },
      400,
      [
        ['gpus[0].type', 'MISSING_FIELD'],
        ['instanceMetadata[0].value', 'MISSING_FIELD'],
        ['gpus[1].type', 'REFERENCE_NOT_FOUND'],
        ['instanceMetadata[1].key', 'INVALID_METADATA'],
      ],
    ],
    ['a label with a bell', { ...small, labels: { a: 'ding\u0007' } }, 400, [['labels.a', 'INVALID_LABEL']]],
    [
      'a description with escapes',
      { ...small, description: '\u001b[2J' },
      400,
      [['description', 'INVALID_VALUE']],
    ],
    [
      'shape and meaning together',
      {
        type: 'g9-huge',
        hostnme: 'x',
        disks: [{ size_gb: 7, source: 'x' }],
        nics: [{ network: 'x' }],
        gpus: [{ count: 1 }],
      },
      400,
      [
        ['gpus[0].type', 'MISSING_FIELD'],
        ['disks[0].size_gb', 'UNKNOWN_FIELD'],
        ['hostnme', 'UNKNOWN_FIELD'],
        ['type', 'REFERENCE_NOT_FOUND'],
        ['disks[0].source', 'REFERENCE_NOT_FOUND'],
        ['nics[0].network', 'REFERENCE_NOT_FOUND'],
      ],
    ],
  ]

  it.each(cases)('%s', async (_name, body, status, expected) => {
    const before = await countInstances()
    const answer = await post(body)
    expect(answer.status).toBe(status)
    expect(answer.body.error.code).toBe(status)
    const inOrder = (list: readonly (readonly [string, string])[]) => [...list].sort()
    expect(inOrder(details(answer))).toEqual(inOrder(expected))
    expect(await countInstances()).toBe(before)
  })

  it('answers any JSON with a 4xx that names what is wrong', async () => {
    const before = await countInstances()
    const names = ['type', 'id', 'labels', 'instanceMetadata', 'disks', 'nics', 'gpus', 'x']
    // Without a type that exists nothing of it can succeed.
    const body = fc.dictionary(fc.constantFrom(...names), fc.jsonValue({ maxDepth: 3 }), {
      noNullPrototype: true,
    })
    await fc.assert(
      fc.asyncProperty(body, async (value) => {
        const answer = await post(value)
        expect([400, 422]).toContain(answer.status)
        expect(details(answer).length).toBeGreaterThan(0)
      }),
      { numRuns: 150 },
    )
    expect(await countInstances()).toBe(before)
  })

  it('guesses what was meant', async () => {
    const { body } = await post({ ...small, disks: [{ size_gb: 7 }] })
    expect(body.error.details[0].message).toContain('did you mean "sizeGb"')
  })

  it.each([
    ['{"type":', 'MALFORMED_JSON'],
    ['{"type":"a","type":"b"}', 'DUPLICATE_KEY'],
    ['{"type":"a","labels":{"x":"1","y":"}","x":"2"}}', 'DUPLICATE_KEY'],
    ['{"type":"a","ty\\u0070e":"b"}', 'DUPLICATE_KEY'],
    ['{"type":"g1-xlarge","__proto__":{"id":"x"}}', 'UNKNOWN_FIELD'],
    ['{"type":"g1-xlarge","constructor":{"prototype":{}}}', 'UNKNOWN_FIELD'],
  ])('refuses the text %s', async (text, reason) => {
    const answer = await region.call('POST', instancesPath, { text })
    expect([answer.status, details(answer)[0]?.[1]]).toEqual([400, reason])
    expect(JSON.stringify(answer.body)).not.toMatch(/ {4}at |node_modules/)
  })

  it.each([
    [`{"type":"a","disks":[{},{"sizeGb":1,"sizeGb":2}]}`, 'disks[1].sizeGb'],
    [`{"type":"a","labels":{"__proto__":"x"}}`, 'labels.__proto__'],
    [`${'['.repeat(30_000)}${']'.repeat(30_000)}`, '[0]'],
    [`{"type":"a","labels":${'{"a":'.repeat(30_000)}1${'}'.repeat(30_000)}}`, 'labels'],
  ])('says where in %.50s the trouble is', async (text, field) => {
    for (const path of [instancesPath, `${instancesPath}:plan`]) {
      const answer = await region.call('POST', path, { text })
      expect([answer.status, details(answer)[0]?.[0]]).toEqual([400, field])
    }
  })

  it('takes the same key in different objects', async () => {
    const text = `{"type":"${small.type}","disks":[{"sizeGb":10,"source":"ubuntu-24.04-20260202-3"},{"sizeGb":1}]}`
    expect((await region.call('POST', instancesPath, { text })).status).toBe(202)
  })

  it('refuses other media types, and bodies beyond the limit', async () => {
    const plain = await region.call('POST', instancesPath, {
      text: '{}',
      headers: { 'content-type': 'text/plain' },
    })
    expect([plain.status, details(plain)[0]?.[1]]).toEqual([415, 'UNSUPPORTED_MEDIA_TYPE'])
    const huge = await region.call('POST', instancesPath, { text: ' '.repeat(4 * 1024 * 1024 + 1) })
    expect([huge.status, details(huge)[0]?.[1]]).toEqual([413, 'BODY_TOO_LARGE'])
  })
})
