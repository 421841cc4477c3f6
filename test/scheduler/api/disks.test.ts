// Disks over HTTP: what is answered, and what is refused with which reason. Hosts are registered by hand, so what a host
// would do is not done here.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { instancesPath, projectPath, type Region, startRegion } from './region.ts'

const disksPath = `${projectPath}/compute/disks`
const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
const zone = '/v1/regions/us-texas-1/zones/us1-a'
const image = 'ubuntu-24.04-20260202-3'
let region: Region
beforeAll(async () => {
  region = await startRegion({ hosts: 2 })
})
afterAll(() => region.close())

const call = (method: string, path: string, body?: object, headers: Record<string, string> = {}) =>
  region.call(method, path, body === undefined ? { headers } : { body, headers })
const reasonsOf = ({ status, body }: Awaited<ReturnType<typeof call>>) => [
  status,
  ...body.error.details.map(({ reason }: { reason: string }) => reason),
]

it('creates, reads, lists by pages, grows and deletes one that no host has', async () => {
  const created = await call('POST', disksPath, { zone, id: 'one', sizeGb: 5, labels: { team: 'ml' } })
  expect([created.status, created.headers.get('operation')]).toEqual([201, null])
  expect(created.body).toMatchObject({
    ...{ selfLink: `${disksPath}/one`, sizeGb: 5, status: 'READY', users: [], labels: { team: 'ml' } },
  })
  await call('POST', disksPath, { zone, id: 'two', sizeGb: 5 })
  const first = await call('GET', `${disksPath}?pageSize=1`)
  expect(first.body.disks).toMatchObject([{ id: 'one' }])
  const second = await call('GET', `${disksPath}?pageSize=1&pageToken=${first.body.nextPageToken}`)
  expect(second.body.disks).toMatchObject([{ id: 'two' }])
  const read = await call('GET', `${disksPath}/one`)
  const etag = read.headers.get('etag') ?? ''
  const patched = await call(
    'PATCH',
    `${disksPath}/one`,
    { sizeGb: 6, description: 'More' },
    { 'if-match': etag },
  )
  expect([patched.status, patched.body.sizeGb, patched.body.description]).toEqual([200, 6, 'More'])
  expect(reasonsOf(await call('PATCH', `${disksPath}/one`, { sizeGb: 7 }, { 'if-match': etag }))).toEqual([
    412,
    'REVISION_MISMATCH',
  ])
  expect(reasonsOf(await call('PATCH', `${disksPath}/one`, { sizeGb: 5 }))).toEqual([422, 'DISK_SHRINK'])
  expect((await call('DELETE', `${disksPath}/one`)).status).toBe(200)
  expect((await call('GET', `${disksPath}/one`)).status).toBe(404)
})

it('is idempotent by key, and refuses what makes no sense', async () => {
  const key = { 'idempotency-key': 'disk-1' }
  const first = await call('POST', disksPath, { zone, sizeGb: 1 }, key)
  const again = await call('POST', disksPath, { zone, sizeGb: 1 }, key)
  expect(again.body.uid).toBe(first.body.uid)
  expect(reasonsOf(await call('POST', disksPath, { zone, sizeGb: 2 }, key))).toEqual([
    409,
    'IDEMPOTENCY_KEY_REUSED',
  ])
  expect(reasonsOf(await call('POST', disksPath, { zone, id: first.body.id, sizeGb: 1 }))).toEqual([
    409,
    'NAME_TAKEN',
  ])
  expect(reasonsOf(await call('POST', disksPath, { zone }))).toEqual([422, 'DISK_SIZE_REQUIRED'])
  expect(
    reasonsOf(await call('POST', disksPath, { sizeGb: 1, zone: 'nowhere', sourceImage: 'none' })),
  ).toEqual([...[422, 'REFERENCE_NOT_FOUND', 'REFERENCE_NOT_FOUND']])
})

it('places an instance where its disk is, and gives it to no other', async () => {
  await call('POST', disksPath, { zone, id: 'data', sizeGb: 10 })
  const boot = { source: image }
  const body = { type, disks: [boot, { source: `${disksPath}/data` }] }
  const created = await call('POST', instancesPath, { ...body, id: 'owner' })
  expect(created.status).toBe(202)
  expect(created.body.disks[1]).toMatchObject({ source: `${disksPath}/data`, autoDelete: false, sizeGb: 10 })
  expect((await call('GET', `${disksPath}/data`)).body.users).toEqual([`${instancesPath}/owner`])
  expect(reasonsOf(await call('POST', instancesPath, body))).toEqual([409, 'DISK_IN_USE'])
  expect(reasonsOf(await call('DELETE', `${disksPath}/data`))).toEqual([409, 'DISK_IN_USE'])
  const attach = (id: string, more: object) => call('POST', `${instancesPath}/${id}:attachDisk`, more)
  expect(reasonsOf(await attach('owner', { source: 'two' }))).toEqual([409, 'WRONG_STATE'])
  expect(reasonsOf(await attach('owner', { source: 'no-such-disk' }))).toEqual([422, 'REFERENCE_NOT_FOUND'])
  expect(reasonsOf(await attach('owner', { source: 'two', deviceName: 'nic0' }))).toEqual([
    400,
    'INVALID_VALUE',
  ])
  expect(reasonsOf(await call('POST', `${instancesPath}/owner:detachDisk`, {}))).toEqual([
    400,
    'MISSING_FIELD',
  ])
})

it('tells nobody on which host a disk is', async () => {
  const plan = await call('POST', `${instancesPath}:plan`, {
    type,
    disks: [{ source: image, sizeGb: 900 }],
  })
  expect(JSON.stringify([plan.body, (await call('GET', disksPath)).body])).not.toContain('host-')
})
