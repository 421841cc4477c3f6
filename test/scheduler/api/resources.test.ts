// Networks, subnets, addresses, images, instance types and projects, as whoever makes and deletes them meets them.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { type Answer, instancesPath, projectPath, type Region, startRegion } from './region.ts'

const root = '/v1/regions/us-texas-1'
const compute = `${projectPath}/compute`
const sha256 = 'b'.repeat(64)
const image = { id: 'debian-13.1', url: 'https://example.net/d.qcow2', sha256, format: 'qcow2', sizeGb: 3 }
let region: Region
let admin = ''
let operator = ''
beforeEach(async () => {
  region = await startRegion()
  admin = await region.issuer.tokenFor('project-x9y8z7:admin')
  operator = await region.issuer.tokenFor('operator', '*:admin')
})
afterEach(() => region.close())

const asAdmin = (method: string, path: string, body?: object, headers = {}) =>
  region.call(method, path, { token: admin, headers, ...(body === undefined ? {} : { body }) })
const asOperator = (method: string, path: string, body?: object) =>
  region.call(method, path, { token: operator, ...(body === undefined ? {} : { body }) })
const reasons = ({ status, body }: Answer) => [
  status,
  ...(body.error.details as { reason: string; field?: string }[]).map(({ reason, field }) => [reason, field]),
]
const small = `${root}/zones/us1-a/instance-types/g1-small`

describe('networks and subnets', () => {
  it('are made, joined, kept while in use, and deleted', async () => {
    const network = await asAdmin('POST', `${compute}/networks`, { id: 'back', mtu: 9000 })
    expect([network.status, network.body.mtu, network.body.subnets]).toEqual([201, 9000, []])
    expect(network.headers.get('location')).toBe(`${compute}/networks/back`)
    const nics = [{ network: 'back' }]
    expect(reasons(await region.call('POST', instancesPath, { body: { type: small, nics } }))).toEqual([
      ...[422, ['NO_SUBNET', 'nics[0].network']],
    ])
    const subnet = await asAdmin('POST', `${compute}/subnets`, {
      ...{ id: 'back', network: `${compute}/networks/back`, ipv4Cidr: '10.99.0.0/24' },
    })
    expect([subnet.status, subnet.body.gatewayAddress]).toEqual([201, '10.99.0.1'])
    const made = await region.call('POST', instancesPath, { body: { type: small, id: 'one', nics } })
    expect(made.body.nics[0]).toMatchObject({ ipv4Address: '10.99.0.2' })

    const used = await asAdmin('DELETE', `${compute}/subnets/back`)
    expect(reasons(used)).toEqual([409, ['RESOURCE_IN_USE', undefined]])
    expect(used.body.error.message).toContain('instance one')
    expect((await asAdmin('DELETE', `${compute}/networks/back`)).body.error.message).toContain('instance one')
    await region.remove('one')
    expect((await asAdmin('DELETE', `${compute}/networks/back`)).body.error.message).toContain('subnet back')
    expect((await asAdmin('DELETE', `${compute}/subnets/back`)).status).toBe(204)
    expect((await asAdmin('DELETE', `${compute}/networks/back`)).status).toBe(204)
    expect((await asAdmin('GET', `${compute}/networks/back`)).status).toBe(404)
  })

  it('get a range of their own, and never one that overlaps another of the project', async () => {
    for (const id of ['a', 'b', 'c']) await asAdmin('POST', `${compute}/networks`, { id })
    const automatic = async (network: string) =>
      (await asAdmin('POST', `${compute}/subnets`, { network })).body.ipv4Cidr as string
    expect([await automatic('a'), await automatic('b')]).toEqual(['10.128.0.0/20', '10.128.16.0/20'])
    const post = (ipv4Cidr: string) => asAdmin('POST', `${compute}/subnets`, { network: 'c', ipv4Cidr })
    expect(reasons(await post('10.128.17.0/24'))).toEqual([409, ['SUBNET_OVERLAPS', 'ipv4Cidr']])
    expect(reasons(await post('10.20.0.0/16'))).toEqual([409, ['SUBNET_OVERLAPS', 'ipv4Cidr']])
    for (const cidr of ['10.1.0.1/24', '10.1.0.0/30', 'ten', '169.254.0.0/16', '224.0.0.0/8']) {
      expect(reasons(await post(cidr))).toEqual([422, ['INVALID_RANGE', 'ipv4Cidr']])
    }
    expect((await post('192.168.0.0/24')).status).toBe(201)
    expect(reasons(await post('192.168.9.0/24'))).toEqual([409, ['NETWORK_HAS_SUBNET', 'network']])
  })

  it('give each NIC an IPv6 address that ends as its IPv4 address does', async () => {
    for (const id of ['one', 'two']) await asAdmin('POST', `${compute}/networks`, { id })
    const post = (body: object) => asAdmin('POST', `${compute}/subnets`, body)
    const both = { id: 'both', network: 'one', ipv4Cidr: '10.99.0.0/24', ipv6Cidr: 'fd5b:1::/64' }
    expect((await post(both)).body).toMatchObject({ ipv6Cidr: 'fd5b:1::/64' })
    const same = { network: 'two', ipv6Cidr: 'fd5b:1::/64' }
    expect(reasons(await post(same))).toEqual([409, ['SUBNET_OVERLAPS', 'ipv6Cidr']])
    expect(reasons(await post({ network: 'two', ipv4Cidr: '10/8', ipv6Cidr: 'fd5b:1::/48' }))).toEqual([
      ...[422, ['INVALID_RANGE', 'ipv4Cidr'], ['INVALID_RANGE', 'ipv6Cidr']],
    ])
    expect((await post({ network: 'two' })).body).not.toHaveProperty('ipv6Cidr')

    const instance = async (id: string, nic: object) =>
      region.call('POST', instancesPath, { body: { type: small, id, nics: [nic] } })
    expect((await instance('first', { network: 'one' })).body.nics[0]).toMatchObject({
      ...{ ipv4Address: '10.99.0.2', ipv6Address: 'fd5b:1::a63:2' },
    })
    const asked = await instance('second', { network: 'one', ipv6Address: 'fd5b:1::a63:9' })
    expect(asked.body.nics[0]).toMatchObject({ ipv4Address: '10.99.0.9', ipv6Address: 'fd5b:1::a63:9' })
    const again = await instance('third', { network: 'one', ipv6Address: 'fd5b:1::a63:9' })
    expect(reasons(again)).toEqual([409, ['ADDRESS_IN_USE', 'nics[0].ipv4Address']])
    expect((await instance('fourth', { network: 'two' })).body.nics[0]).not.toHaveProperty('ipv6Address')
  })

  it('of the settings file are changed there', async () => {
    const answer = await asAdmin('DELETE', `${compute}/networks/default`)
    expect(reasons(answer)).toEqual([409, ['RESOURCE_DECLARED', undefined]])
    expect(reasons(await asAdmin('PATCH', `${compute}/networks/default`, { description: 'x' }))).toEqual([
      ...[409, ['RESOURCE_DECLARED', undefined]],
    ])
  })

  it('are changed under their ETag, once for each key', async () => {
    const key = { 'idempotency-key': 'k1' }
    const first = await asAdmin('POST', `${compute}/networks`, { id: 'n' }, key)
    const again = await asAdmin('POST', `${compute}/networks`, { id: 'n' }, key)
    expect([again.status, again.body.uid]).toEqual([201, first.body.uid])
    expect(reasons(await asAdmin('POST', `${compute}/networks`, { id: 'm' }, key))[0]).toBe(409)
    expect(reasons(await asAdmin('POST', `${compute}/networks`, { id: 'n' }))).toEqual([
      ...[409, ['NAME_TAKEN', 'id']],
    ])
    const path = `${compute}/networks/n`
    const patched = await asAdmin('PATCH', path, { description: 'Mine.' }, { 'if-match': '"1"' })
    expect([patched.body.description, patched.headers.get('etag')]).toEqual(['Mine.', '"2"'])
    expect(reasons(await asAdmin('DELETE', path, undefined, { 'if-match': '"1"' }))[0]).toBe(412)
    const without = await asAdmin('PATCH', path, { description: null })
    expect(without.body).not.toHaveProperty('description')
    const gone = { 'idempotency-key': 'k2' }
    expect((await asAdmin('DELETE', path, undefined, gone)).status).toBe(204)
    expect((await asAdmin('DELETE', path, undefined, gone)).status).toBe(204)
    expect((await asAdmin('DELETE', path)).status).toBe(404)
  })

  it('leave the choice of a VLAN to operators', async () => {
    expect(reasons(await asAdmin('POST', `${compute}/networks`, { vlan: 7 }))).toEqual([
      ...[400, ['INVALID_VALUE', 'vlan']],
    ])
    const post = (vlan: number) => asOperator('POST', `${compute}/networks`, { vlan })
    expect((await post(7)).body.vlan).toBe(7)
    expect(reasons(await post(7))).toEqual([409, ['VLAN_IN_USE', 'vlan']])
    // Of the settings file.
    expect(reasons(await post(123))).toEqual([409, ['VLAN_IN_USE', 'vlan']])
  })
})

describe('reserved addresses', () => {
  it('wait for the NIC that asks for them, and outlive it', async () => {
    const reserve = (body: object) => region.call('POST', `${compute}/addresses`, { body })
    const first = await reserve({ id: 'front', subnet: 'default' })
    expect(first.body).toMatchObject({ address: '10.20.0.2', status: 'RESERVED', users: [] })
    expect((await reserve({ subnet: 'default', address: '10.20.0.9' })).status).toBe(201)
    expect(reasons(await reserve({ subnet: 'default', address: '10.20.0.9' }))[0]).toBe(409)
    for (const address of ['10.20.0.1', '10.21.0.4', '10.20.0.04']) {
      expect((await reserve({ subnet: 'default', address })).status).toBeGreaterThanOrEqual(400)
    }
    const other = await region.call('POST', instancesPath, { body: { type: small } })
    expect(other.body.nics[0].ipv4Address).toBe('10.20.0.3')
    const nics = [{ ipv4Address: '10.20.0.2' }]
    const made = await region.call('POST', instancesPath, { body: { type: small, id: 'web', nics } })
    expect(made.status).toBe(202)
    const read = () => region.call('GET', `${compute}/addresses/front`)
    expect((await read()).body).toMatchObject({ status: 'IN_USE', users: [`${instancesPath}/web`] })
    expect(reasons(await region.call('DELETE', `${compute}/addresses/front`))).toEqual([
      ...[409, ['RESOURCE_IN_USE', undefined]],
    ])
    await region.remove('web')
    expect((await read()).body.status).toBe('RESERVED')
    expect((await region.call('DELETE', `${compute}/addresses/front`)).status).toBe(204)
    const next = await region.call('POST', instancesPath, { body: { type: small } })
    expect(next.body.nics[0].ipv4Address).toBe('10.20.0.2')
  })
})

describe('images', () => {
  it('are registered, found by family, deprecated, obsolete, and kept while in use', async () => {
    const images = `${root}/compute/images`
    for (const id of ['debian-13.1', 'debian-13.2']) {
      expect((await asOperator('POST', images, { ...image, id, family: 'debian-13' })).status).toBe(201)
    }
    const family = () => asOperator('GET', `${images}/family/debian-13`)
    expect((await family()).body.id).toBe('debian-13.2')
    const create = (source: string, id?: string) =>
      region.call('POST', instancesPath, { body: { type: small, id, disks: [{ source }] } })
    const made = await create(`${images}/family/debian-13`, 'one')
    expect(made.body.disks[0].source).toBe(`${images}/debian-13.2`)
    expect((await asOperator('DELETE', `${images}/debian-13.2`)).body.error.message).toContain('instance one')

    const deprecation = { state: 'DEPRECATED', replacement: 'debian-13.1' }
    expect((await asOperator('PATCH', `${images}/debian-13.2`, { deprecation })).body).toMatchObject({
      deprecation,
    })
    expect((await family()).body.id).toBe('debian-13.1')
    expect((await create('debian-13.2')).body.lifecycle.statusMessage).toMatch(/deprecated; use debian-13.1/)
    await asOperator('PATCH', `${images}/debian-13.2`, { deprecation: { ...deprecation, state: 'OBSOLETE' } })
    expect(reasons(await create('debian-13.2'))).toEqual([422, ['IMAGE_OBSOLETE', 'disks[0].source']])
    expect(reasons(await create('family/debian-14'))).toEqual([
      ...[422, ['REFERENCE_NOT_FOUND', 'disks[0].source']],
    ])
    const unknown = { deprecation: { state: 'DEPRECATED', replacement: 'nothing' } }
    expect((await asOperator('PATCH', `${images}/debian-13.1`, unknown)).status).toBe(422)
    expect((await asOperator('DELETE', `${images}/debian-13.1`)).status).toBe(204)
    expect(reasons(await asOperator('POST', images, { ...image, url: 'ftp://x' }))).toEqual([
      ...[400, ['INVALID_VALUE', 'url']],
    ])
  })
})

describe('instance types', () => {
  it('of a zone and of a project make instances', async () => {
    const types = `${root}/zones/us1-a/instance-types`
    const gpus = { type: 'nvidia-h100-80gb', count: 1 }
    const body = { id: 'g2', vcpus: 2, memoryMib: 2048, gpus, defaultImage: 'ubuntu-24.04-20260202-3' }
    expect((await asOperator('POST', types, body)).status).toBe(201)
    expect((await region.call('POST', instancesPath, { body: { type: 'g2' } })).body.gpus[0].count).toBe(1)
    expect((await asOperator('PATCH', `${types}/g2`, { description: 'Two.' })).body.description).toBe('Two.')

    const own = { id: 'mine', zone: 'us1-b', vcpus: 3, memoryMib: 512 }
    const made = await asAdmin('POST', `${compute}/instance-types`, own)
    expect([made.status, made.body.zone]).toEqual([201, `${root}/zones/us1-b`])
    expect(
      reasons(await asAdmin('POST', `${compute}/instance-types`, { ...own, id: 'x', zone: 'us1-z' })),
    ).toEqual([422, ['REFERENCE_NOT_FOUND', 'zone']])
    const wrong = { ...body, id: 'custom-2', gpus: { ...gpus, type: 'h999' }, defaultImage: 'none' }
    expect(reasons(await asOperator('POST', types, wrong))).toEqual([
      422,
      ['REFERENCE_NOT_FOUND', 'gpus.type'],
      ['REFERENCE_NOT_FOUND', 'defaultImage'],
      ['INVALID_VALUE', 'id'],
    ])
    const planned = await region.call('POST', `${instancesPath}:plan`, {
      body: { type: `${compute}/instance-types/mine`, disks: [{ source: 'ubuntu-24.04-20260202-3' }] },
    })
    // Its zone has no host.
    expect(planned.body.verdict).toBe('NEVER')
    const zoned = await asAdmin('POST', `${compute}/instance-types`, { ...own, id: 'here', zone: 'us1-a' })
    expect(zoned.status).toBe(201)
    const disks = [{ source: 'ubuntu-24.04-20260202-3' }]
    const instance = await region.call('POST', instancesPath, { body: { type: 'here', disks } })
    expect([instance.status, instance.body.type]).toEqual([202, `${compute}/instance-types/here`])
    expect((await asAdmin('DELETE', `${compute}/instance-types/mine`)).status).toBe(204)
  })
})

describe('projects', () => {
  it('begin with a network, and go when nothing is left in them', async () => {
    const made = await asOperator('POST', `${root}/projects`, { id: 'lab', displayName: 'The lab' })
    expect([made.status, made.body.displayName]).toEqual([201, 'The lab'])
    const lab = `${root}/projects/lab/compute`
    const instance = await asOperator('POST', `${lab}/instances`, { type: small, id: 'one' })
    expect([instance.status, instance.body.nics[0].ipv4Address]).toEqual([202, '10.128.0.2'])
    expect((await asOperator('DELETE', `${root}/projects/lab`)).body.error.message).toContain('instance one')
    await region.remove('one', 'lab')
    await asOperator('POST', `${lab}/networks`, { id: 'more' })
    expect((await asOperator('DELETE', `${root}/projects/lab`)).body.error.message).toContain('network more')
    // All or nothing: its first network is still there.
    expect((await asOperator('GET', `${lab}/subnets`)).body.subnets).toHaveLength(1)
    await asOperator('DELETE', `${lab}/networks/more`)
    expect((await asOperator('DELETE', `${root}/projects/lab`)).status).toBe(204)
    expect((await asOperator('GET', `${lab}/networks`)).status).toBe(404)
  })
})

it('what a patch can not change is told from what does not exist', async () => {
  const patch = { mtu: 9000, uid: 'x', mut: 1 }
  expect(reasons(await asAdmin('PATCH', `${compute}/networks/default`, patch))).toEqual([
    ...[400, ['IMMUTABLE_FIELD', 'mtu'], ['IMMUTABLE_FIELD', 'uid'], ['UNKNOWN_FIELD', 'mut']],
  ])
})

it('texts for people hold nothing that a terminal obeys', async () => {
  const red = '\u001b[31m'
  const made = await asAdmin('POST', `${compute}/networks`, { id: 'red', description: red })
  expect(reasons(made)).toEqual([400, ['INVALID_VALUE', 'description']])
  const changed = await asAdmin('PATCH', `${compute}/networks/default`, { description: red })
  expect(reasons(changed)).toEqual([400, ['INVALID_VALUE', 'description']])
  const project = await asOperator('POST', `${root}/projects`, { displayName: 'a\nb' })
  expect(reasons(project)).toEqual([400, ['INVALID_VALUE', 'displayName']])
})

it('lists go on where they were, whatever came and went meanwhile', async () => {
  for (const id of ['n1', 'n2', 'n3', 'n4']) await asAdmin('POST', `${compute}/networks`, { id })
  const page = async (token = '') => {
    const query = token === '' ? '' : `&pageToken=${token}`
    const { body } = await asAdmin('GET', `${compute}/networks?pageSize=2${query}`)
    return body as { networks: { id: string }[]; nextPageToken?: string }
  }
  const first = await page()
  expect(first.networks.map(({ id }) => id)).toEqual(['default', 'n1'])
  await asAdmin('DELETE', `${compute}/networks/n1`)
  const second = await page(first.nextPageToken)
  expect(second.networks.map(({ id }) => id)).toEqual(['n2', 'n3'])
})

it('lists refuse the page token of another list', async () => {
  await asAdmin('POST', `${compute}/networks`, { id: 'n1' })
  const { nextPageToken } = (await asAdmin('GET', `${compute}/networks?pageSize=1`)).body
  for (const path of ['subnets', 'disks', 'operations', 'networks/default/firewall', 'instances']) {
    const answer = await asAdmin('GET', `${compute}/${path}?pageToken=${nextPageToken}`)
    expect([path, ...reasons(answer)]).toEqual([path, 400, ['INVALID_VALUE', 'pageToken']])
  }
})
