import { connect } from 'node:net'
import { text } from 'node:stream/consumers'
import { create } from '@bufbuild/protobuf'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { InstanceObservationSchema, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { hostId, instanceUid } from '../../../proto/ids.ts'
import { instancesPath, projectPath, type Region, startRegion } from './region.ts'

let region: Region
beforeAll(async () => {
  region = await startRegion()
})
afterAll(() => region.close())

const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
const createNamed = async (id: string) =>
  (await region.call('POST', instancesPath, { body: { type, id } })).body as { uid: string; id: string }
const get = (path: string, token?: string) => region.call('GET', path, token === undefined ? {} : { token })
const reasonOf = (answer: { body: { error: { details: { reason: string }[] } } }) =>
  answer.body.error.details[0]?.reason

describe('instances', () => {
  it('are read by id and by uid, with an ETag', async () => {
    const { uid } = await createNamed('reader')
    const byId = await get(`${instancesPath}/reader`)
    const byUid = await get(`${instancesPath}/${uid}`)
    expect(byId.status).toBe(200)
    expect(byUid.body).toEqual(byId.body)
    expect(byId.body.selfLink).toBe(`${instancesPath}/reader`)
    expect(byId.headers.get('etag')).toMatch(/^"\d+"$/)
    const missing = await get(`${instancesPath}/nobody`)
    expect([missing.status, reasonOf(missing)]).toEqual([404, 'NOT_FOUND'])
  })

  it('are listed in pages without gaps or repetitions', async () => {
    for (const id of ['page-1', 'page-2', 'page-3']) await createNamed(id)
    const all = (await get(instancesPath)).body.instances as { id: string }[]
    const seen: string[] = []
    for (let token: string | undefined = ''; token !== undefined; ) {
      const { body } = await get(`${instancesPath}?pageSize=2${token === '' ? '' : `&pageToken=${token}`}`)
      seen.push(...(body.instances as { id: string }[]).map(({ id }) => id))
      token = body.nextPageToken as string | undefined
    }
    expect(seen).toEqual(all.map(({ id }) => id))
    expect(seen.length).toBeGreaterThanOrEqual(3)
  })

  it.each(['pageSize=0', 'pageSize=501', 'pageSize=x', 'pageToken=x!', 'pagesize=5'])(
    'refuse ?%s',
    async (query) => {
      expect((await get(`${instancesPath}?${query}`)).status).toBe(400)
    },
  )

  it('are deleted once they are as the client thinks, and deleting twice is fine', async () => {
    await createNamed('victim')
    const etag = (await get(`${instancesPath}/victim`)).headers.get('etag') ?? ''
    const stale = await region.call('DELETE', `${instancesPath}/victim`, {
      headers: { 'if-match': '"999999"' },
    })
    expect([stale.status, reasonOf(stale)]).toEqual([412, 'REVISION_MISMATCH'])
    const deleted = await region.call('DELETE', `${instancesPath}/victim`, { headers: { 'if-match': etag } })
    expect([deleted.status, deleted.body.lifecycle.status]).toEqual([202, 'DEPROVISIONING'])
    expect(region.nudged.length).toBeGreaterThan(0)
    expect((await region.call('DELETE', `${instancesPath}/victim`)).status).toBe(202)
    expect((await region.call('DELETE', `${instancesPath}/nobody`)).status).toBe(404)
  })

  it('are started, stopped, restarted and reset by verbs, each with an operation', async () => {
    const { uid } = await createNamed('worker')
    const see = (phase: InstancePhase, generation: number, released = false) =>
      region.store.applyObservation({
        hostId: hostId('host-1'),
        observation: create(InstanceObservationSchema, {
          ...{ uid, phase, generation, epoch: 1, released, settled: true, reason: 'SEEN', message: 'Seen.' },
        }),
        nowMs: Date.now(),
      })
    const verb = (name: string, request = {}) =>
      region.call('POST', `${instancesPath}/worker:${name}`, request)
    await see(InstancePhase.RUNNING, 1)
    const stopped = await verb('stop', { body: { force: true } })
    expect([stopped.status, stopped.body.lifecycle.status]).toEqual([202, 'STOPPING'])
    const operation = stopped.headers.get('operation') ?? ''
    expect((await get(operation)).body).toMatchObject({
      ...{ selfLink: operation, id: stopped.body.lifecycle.operationId, type: 'instances.stop' },
      ...{ target: `${instancesPath}/worker`, targetUid: uid, status: 'RUNNING', principal: 'alice' },
    })
    const early = await verb('start')
    expect([early.status, reasonOf(early)]).toEqual([409, 'WRONG_STATE'])
    await see(InstancePhase.STOPPED, 2, true)
    const { body } = await get(operation)
    expect([body.status, body.error, new Date(body.endedAt as string).toISOString()]).toEqual([
      ...['DONE', undefined, body.endedAt],
    ])
    const key = { headers: { 'idempotency-key': 'start-once' } }
    const [first, second] = [await verb('start', key), await verb('start', key)]
    expect([first.status, first.body.lifecycle.status]).toEqual([202, 'PROVISIONING'])
    expect(second.headers.get('operation')).toBe(first.headers.get('operation'))
    await see(InstancePhase.RUNNING, 3)
    const etag = (await get(`${instancesPath}/worker`)).headers.get('etag') ?? ''
    expect((await verb('reset', { headers: { 'if-match': '"1"' } })).status).toBe(412)
    expect((await verb('reset', { headers: { 'if-match': etag } })).status).toBe(202)
    await see(InstancePhase.RUNNING, 4)
    expect((await verb('restart')).body.lifecycle.status).toBe('STOPPING')
    const operations = (await get(`${projectPath}/compute/operations?pageSize=3`)).body
    expect((operations.operations as { type: string }[]).map(({ type }) => type)).toEqual([
      ...['instances.restart', 'instances.reset', 'instances.start'],
    ])
    expect(operations.nextPageToken).toEqual(expect.any(String))
    expect((await get(`${projectPath}/compute/operations/${uid}`)).status).toBe(404)
    expect((await verb('stop', { body: { force: 'yes' } })).status).toBe(400)
    expect((await verb('reset', { body: { force: true } })).status).toBe(400)
    expect((await verb('explode')).status).toBe(404)
    const wrongMethod = await get(`${instancesPath}/worker:stop`)
    expect([wrongMethod.status, wrongMethod.headers.get('allow')]).toEqual([405, 'POST'])
  })

  it('take merge patches: what is null goes, what is absent stays', async () => {
    const path = `${instancesPath}/patched`
    await region.call('POST', instancesPath, {
      body: { type, id: 'patched', displayName: 'One', labels: { a: '1', b: '2' }, description: 'x' },
    })
    const patch = (body: unknown, headers = {}) => region.call('PATCH', path, { body, headers })
    const first = await patch({ displayName: null, labels: { a: null, c: '3' } })
    expect(first.status).toBe(202)
    expect(first.body).not.toHaveProperty('displayName')
    expect(first.body).toMatchObject({ labels: { b: '2', c: '3' }, description: 'x' })
    expect((await get(first.headers.get('operation') ?? '')).body).toMatchObject({
      ...{ type: 'instances.update', status: 'DONE' },
    })
    const instanceMetadata = [{ key: 'motto', value: 'onwards' }]
    const second = await region.call('PATCH', path, {
      text: JSON.stringify({ instanceMetadata }),
      headers: { 'content-type': 'application/merge-patch+json' },
    })
    expect(second.body).toMatchObject({ instanceMetadata, labels: { b: '2', c: '3' } })
    const etag = first.headers.get('etag') ?? ''
    expect((await patch({ displayName: 'Two' }, { 'if-match': etag })).status).toBe(412)
    const both = await Promise.all([patch({ labels: { d: '4' } }), patch({ labels: { e: '5' } })])
    expect(both.map(({ status }) => status)).toEqual([202, 202])
    expect((await get(path)).body.labels).toEqual({ b: '2', c: '3', d: '4', e: '5' })
    const wrong = await patch({ type: 'g1-xlarge', labels: { a: 1 }, lifecycle: {}, tags: [] })
    expect(wrong.status).toBe(400)
    const details = wrong.body.error.details as { field: string; reason: string }[]
    expect(details.map(({ field, reason }) => [field, reason]).sort()).toEqual([
      ['labels.a', 'WRONG_TYPE'],
      ['lifecycle', 'IMMUTABLE_FIELD'],
      ['tags', 'UNKNOWN_FIELD'],
      ['type', 'IMMUTABLE_FIELD'],
    ])
    expect(reasonOf(await patch({ labels: { A: '1' } }))).toBe('INVALID_LABEL')
    expect(reasonOf(await patch({ instanceMetadata: [{ key: 'ssh-keys', value: 'x' }] }))).toBe(
      'INVALID_SSH_KEY',
    )
  })

  it('stay within the quota of their project, which an operator sets', async () => {
    const operator = await region.issuer.tokenFor('operator')
    const path = `${projectPath}/quotas`
    const set = (limits: object, token = operator) => region.call('PUT', path, { body: { limits }, token })
    const used = (await get(path)).body.quotas.find(({ id }: { id: string }) => id === 'instances')
      .used as number
    expect((await set({ instances: used + 1 })).status).toBe(200)
    expect((await region.call('POST', instancesPath, { body: { type } })).status).toBe(202)
    const refused = await region.call('POST', instancesPath, { body: { type } })
    expect([refused.status, reasonOf(refused)]).toEqual([403, 'QUOTA_EXCEEDED'])
    expect(refused.body.error.message).toContain(`instances is ${used + 1}: ${used + 1} are used and 1 more`)
    const wrong = await set({ goats: 1, vcpus: -1 })
    expect(wrong.status).toBe(400)
    expect(reasonOf(await set({ goats: 1 }))).toBe('REFERENCE_NOT_FOUND')
    expect((await set({ instances: null })).body.quotas).toContainEqual({ id: 'instances', used: used + 1 })
    expect((await region.call('POST', instancesPath, { body: { type } })).status).toBe(202)
  })

  it('have events', async () => {
    const { uid } = await createNamed('eventful')
    const { status, body } = await get(`${instancesPath}/eventful/events`)
    expect(status).toBe(200)
    expect(body.events[0]).toMatchObject({ to: 'PROVISIONING' })
    expect((await region.store.listEvents(instanceUid(uid))).length).toBe(body.events.length)
  })

  it('say that a serial port will never say anything again', async () => {
    const { uid } = await createNamed('failed')
    const seen = { uid, phase: InstancePhase.FAILED, generation: 1, epoch: 1, released: true }
    const observation = create(InstanceObservationSchema, seen)
    await region.store.applyObservation({ hostId: hostId('host-1'), observation, nowMs: 1 })
    const answer = await get(`${instancesPath}/failed/serialPort`)
    expect([answer.status, reasonOf(answer)]).toEqual([409, 'SERIAL_NOT_KEPT'])
  })

  it('have a serial port', async () => {
    await createNamed('talker')
    const away = await get(`${instancesPath}/talker/serialPort`)
    expect([away.status, reasonOf(away)]).toEqual([503, 'SERIAL_UNAVAILABLE'])
    expect(away.headers.get('retry-after')).toBe('1')
    expect(JSON.stringify(away.body)).not.toContain('host-1')
    const bytes = new TextEncoder().encode('héllo é').subarray(0, -1)
    region.serial.reading = { kind: 'range', start: 5n, next: 5n + BigInt(bytes.length), bytes }
    const { body } = await get(`${instancesPath}/talker/serialPort?port=1&start=-100`)
    expect(body).toEqual({
      selfLink: `${instancesPath}/talker/serialPort`,
      contents: 'héllo ',
      start: '5',
      next: '12',
    })
    for (const query of ['port=2', 'start=x', 'start=99999999999999999999']) {
      expect((await get(`${instancesPath}/talker/serialPort?${query}`)).status).toBe(400)
    }
  })

  it('have guest attributes', async () => {
    await createNamed('writer')
    const path = `${instancesPath}/writer/guestAttributes`
    const away = await get(path)
    expect([away.status, reasonOf(away)]).toEqual([503, 'GUEST_ATTRIBUTES_UNAVAILABLE'])
    expect(JSON.stringify(away.body)).not.toContain('host-1')
    const items = [
      { namespace: 'app', key: 'state', value: 'ready' },
      { namespace: 'hostkeys', key: 'ssh-rsa', value: 'AAAA' },
    ]
    region.guestAttributes.reading = { kind: 'attributes', attributes: items.toReversed() }
    expect((await get(path)).body).toEqual({ selfLink: path, queryValue: { items } })
    for (const queryPath of ['app', 'app/', 'app/state']) {
      const { body } = await get(`${path}?queryPath=${queryPath}`)
      expect(body).toEqual({ selfLink: path, queryPath, queryValue: { items: items.slice(0, 1) } })
    }
    expect((await get(`${path}?queryPath=none/`)).body.queryValue).toEqual({ items: [] })
    const missing = await get(`${path}?queryPath=app/none`)
    expect([missing.status, missing.body.error.message]).toEqual([
      404,
      'Guest attribute app/none does not exist in instance writer.',
    ])
    for (const queryPath of ['/', 'a/b/c', 'a/b/', 'a%20b']) {
      const wrong = await get(`${path}?queryPath=${queryPath}`)
      expect([queryPath, wrong.status, wrong.body.error.details[0].field]).toEqual([
        queryPath,
        400,
        'queryPath',
      ])
    }
  })
})

describe('hosts', () => {
  it('are cordoned, drained and given up by operators', async () => {
    const other = await startRegion({ connected: () => isConnected })
    let isConnected = true
    const token = await other.issuer.tokenFor('operator')
    const verb = (name: string, body?: object) =>
      other.call('POST', `/v1/regions/us-texas-1/hosts/host-1:${name}`, {
        ...{ token },
        ...(body === undefined ? {} : { body }),
      })
    const post = () => other.call('POST', instancesPath, { body: { type } })
    const { uid } = (await post()).body as { uid: string }
    expect((await verb('cordon')).body.state).toBe('cordoned')
    const full = await post()
    expect([full.status, full.body.error.details[0].rule]).toEqual([409, 'host-ready'])
    expect((await verb('uncordon')).body.state).toBe('ready')
    expect((await post()).status).toBe(202)
    for (const noticeSeconds of [-1, 3601, '60']) {
      expect((await verb('drain', { noticeSeconds })).status).toBe(400)
    }
    const drained = await verb('drain', { noticeSeconds: 600 })
    expect(drained.body).toMatchObject({ state: 'cordoned' })
    expect((await other.call('GET', `${instancesPath}/${uid}`)).body.lifecycle.status).toBe('STOPPING')

    expect((await verb('fence')).status).toBe(400)
    expect(reasonOf(await verb('fence', { confirm: 'host-2' }))).toBe('INVALID_VALUE')
    expect(reasonOf(await verb('fence', { confirm: 'host-1' }))).toBe('WRONG_STATE')
    isConnected = false
    expect((await verb('fence', { confirm: 'host-1' })).body).toMatchObject({
      ...{ state: 'fenced', vcpus: { used: 0 }, diskGb: { used: 0 } },
    })
    const lost = (await other.call('GET', `${instancesPath}/${uid}`)).body
    expect(lost.lifecycle).toMatchObject({ status: 'FAILED', reason: 'HOST_FENCED' })
    const operation = `${projectPath}/compute/operations/${lost.lifecycle.operationId}`
    expect((await other.call('GET', operation)).body.error.reason).toBe('HOST_FENCED')
    expect(reasonOf(await verb('uncordon'))).toBe('WRONG_STATE')
    expect((await other.call('POST', '/v1/regions/us-texas-1/hosts/none:cordon', { token })).status).toBe(404)
    await other.close()
  })
})

describe('a store that does not answer', () => {
  it('is trouble that passes: every answer says to repeat the request', async () => {
    const other = await startRegion()
    await other.store.close()
    const posted = await other.call('POST', instancesPath, { body: { type } })
    for (const answer of [posted, await other.call('GET', `${instancesPath}/x`)]) {
      expect([answer.status, reasonOf(answer)]).toEqual([503, 'TRY_AGAIN'])
      expect(answer.body.error.message).toContain('Idempotency-Key')
      expect(answer.headers.get('retry-after')).toBe('1')
    }
    expect((await other.call('GET', '/readyz')).status).toBe(503)
    await other.close()
  })
})

describe('who may do what', () => {
  it('wants a token, and a good one', async () => {
    const none = await get(instancesPath, '')
    expect([none.status, reasonOf(none), none.headers.get('www-authenticate')]).toEqual([
      401,
      'UNAUTHENTICATED',
      'Bearer realm="berth"',
    ])
    expect((await get(instancesPath, 'x')).headers.get('www-authenticate')).toContain('invalid_token')
  })

  it('names the role that is missing', async () => {
    const viewer = await region.issuer.tokenFor('project-x9y8z7:viewer')
    expect((await get(instancesPath, viewer)).status).toBe(200)
    const refused = await region.call('POST', instancesPath, { token: viewer, body: { type } })
    expect([refused.status, reasonOf(refused)]).toEqual([403, 'ROLE_MISSING'])
    expect(refused.body.error.message).toContain('role editor in project project-x9y8z7')
    const hosts = await get('/v1/regions/us-texas-1/hosts')
    expect([hosts.status, hosts.body.error.message]).toEqual([403, expect.stringContaining('role operator')])
  })

  it("answers alike for others' projects and for none", async () => {
    const bodies = await Promise.all(
      ['project-other', 'project-none'].map(async (project) => {
        const { status, body } = await get(`/v1/regions/us-texas-1/projects/${project}/compute/instances`)
        return [status, JSON.stringify(body).replaceAll(project, 'P')]
      }),
    )
    expect(bodies[0]).toEqual(bodies[1])
    expect(bodies[0]?.[0]).toBe(404)
    const { body } = await get('/v1/regions/us-texas-1/projects')
    expect((body.projects as { id: string }[]).map(({ id }) => id)).toEqual(['project-x9y8z7'])
  })

  it('shows hosts to operators', async () => {
    const operator = await region.issuer.tokenFor('operator')
    const { status, body } = await get('/v1/regions/us-texas-1/hosts/host-1', operator)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      id: 'host-1',
      connected: true,
      vcpus: { capacity: 64 },
      virtualization: { accelerator: 'tcg', reason: expect.stringContaining('vmx') as string },
      warnings: [{ code: 'NO_KVM' }],
    })
  })
})

describe('catalogues', () => {
  const zone = '/v1/regions/us-texas-1/zones/us1-a'
  it.each([
    ['/v1/regions', 'regions'],
    ['/v1/regions/us-texas-1/zones', 'zones'],
    [`${zone}/instance-types`, 'instanceTypes'],
    [`${zone}/accelerator-types`, 'acceleratorTypes'],
    ['/v1/regions/us-texas-1/compute/images', 'images'],
    ['/v1/regions/us-texas-1/projects', 'projects'],
    [`${projectPath}/compute/networks`, 'networks'],
    [`${projectPath}/compute/subnets`, 'subnets'],
  ])('%s is listed, and every entry is where its selfLink says', async (path, plural) => {
    const { status, body } = await get(path)
    expect(status).toBe(200)
    expect(body[plural].length).toBeGreaterThan(0)
    for (const item of body[plural] as { selfLink: string }[]) {
      expect((await get(item.selfLink)).body).toEqual(item)
    }
    expect((await get(`${path}/nothing-here`)).status).toBe(404)
  })

  it('have custom types, which are in no list, where an instance says its type is', async () => {
    const { status, body } = await get(`${zone}/instance-types/custom-4-5120`)
    expect(status).toBe(200)
    expect(body).toMatchObject({
      selfLink: `${zone}/instance-types/custom-4-5120`,
      id: 'custom-4-5120',
      vcpus: 4,
      memoryMib: 5120,
      gpus: [],
    })
    expect((await get(`${zone}/instance-types/custom-4-5121`)).status).toBe(404)
    expect((await get('/v1/regions/us-texas-1/zones/x/instance-types/custom-4-5120')).status).toBe(404)
  })

  it('says nothing about other regions', async () => {
    expect((await get('/v1/regions/elsewhere/zones')).status).toBe(404)
  })
})

describe('a condition', () => {
  const ask = async (method: string, path: string, body: object, condition: string) =>
    region.call(method, path, {
      ...{ body, headers: { 'if-match': condition } },
      token: await region.issuer.tokenFor('operator', 'project-x9y8z7:admin'),
    })
  const cordon = '/v1/regions/us-texas-1/hosts/host-1:cordon'

  it('is refused where nothing could hold to it, and nothing is changed', async () => {
    for (const [method, path, body] of [
      ['POST', cordon, {}],
      ['PUT', `${projectPath}/quotas`, { limits: { vcpus: 1 } }],
    ] as const) {
      const answer = await ask(method, path, body, '"1"')
      expect([answer.status, answer.body.error.details[0].field]).toEqual([400, 'If-Match'])
    }
    const token = await region.issuer.tokenFor('operator')
    expect((await get('/v1/regions/us-texas-1/hosts/host-1', token)).body.state).toBe('ready')
  })

  it('is met by whatever there is where it says so', async () => {
    const { status } = await ask('POST', cordon.replace('cordon', 'uncordon'), {}, '*')
    expect(status).toBe(200)
  })
})

describe('every answer', () => {
  it.each([
    ['GET', '/nowhere', 404, 'ROUTE_NOT_FOUND'],
    ['GET', '/v1/regions/%zz', 400, 'MALFORMED_REQUEST'],
    ['PUT', instancesPath, 405, 'METHOD_NOT_ALLOWED'],
    ['PUT', `${instancesPath}/x`, 405, 'METHOD_NOT_ALLOWED'],
    ['POST', '/healthz', 405, 'METHOD_NOT_ALLOWED'],
  ])('%s %s is %i in the published form', async (method, path, status, reason) => {
    const answer = await region.call(method, path)
    expect([answer.status, answer.body.error.code, reasonOf(answer)]).toEqual([status, status, reason])
    expect(answer.headers.get('x-request-id')).toMatch(/^req_[a-z0-9]{20}$/)
    if (status === 405) expect(answer.headers.get('allow')).toContain('GET')
  })

  it.each([
    ['%zz', /a % that begins no escape/],
    ['x'.repeat(200), /longer than any id/],
  ])('says what is wrong with the path …/%.9s', async (id, sentence) => {
    const { status, body } = await region.call('GET', `${instancesPath}/${id}`)
    expect([status, body.error.message]).toEqual([400, expect.stringMatching(sentence)])
  })

  it('is in the published form even to what is no HTTP', async () => {
    const { hostname, port } = new URL(region.url)
    const socket = connect({ host: hostname, port: Number(port) })
    socket.write('nonsense\r\n\r\n')
    const answer = await text(socket)
    expect(answer).toMatch(/^HTTP\/1.1 400 Bad Request\r\n/)
    expect(JSON.parse(answer.split('\r\n\r\n')[1] ?? '')).toMatchObject({ error: { code: 400 } })
  })

  it('says so where headers are too large', async () => {
    const { status, body } = await region.call('GET', `${instancesPath}?filter=${'x'.repeat(20_000)}`)
    expect([status, body.error.code, body.error.details[0].reason]).toEqual([431, 431, 'HEADERS_TOO_LARGE'])
  })

  it('keeps out request ids that could forge log lines', async () => {
    const answer = await region.call('GET', '/healthz', { token: '', headers: { 'x-request-id': 'a b"' } })
    expect(answer.headers.get('x-request-id')).toMatch(/^req_/)
  })

  it('is ready and healthy without a token', async () => {
    expect((await get('/healthz', '')).body).toEqual({ status: 'ok' })
    expect((await get('/readyz', '')).body).toEqual({ status: 'ready' })
  })
})
