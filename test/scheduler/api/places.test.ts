// Zones and accelerator types, as an operator makes a hall of hosts ready and takes it down again.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { hostId, pciAddress, zoneId } from '../../../proto/ids.ts'
import { type Answer, exampleHost, instancesPath, projectPath, type Region, startRegion } from './region.ts'

const root = '/v1/regions/us-texas-1'
const zones = `${root}/zones`
const hall = `${zones}/hall-2`
const types = `${hall}/accelerator-types`
let region: Region
let operator = ''
let connected = true
beforeEach(async () => {
  connected = true
  region = await startRegion({ connected: () => connected })
  operator = await region.issuer.tokenFor('operator', '*:admin')
})
afterEach(() => region.close())

const asOperator = (method: string, path: string, body?: object, headers = {}) =>
  region.call(method, path, { token: operator, headers, ...(body === undefined ? {} : { body }) })
const reasons = ({ status, body }: Answer) => [
  status,
  ...(body.error.details as { reason: string; field?: string }[]).map(({ reason, field }) => [reason, field]),
]
const sentence = ({ body }: Answer) => body.error.message as string

const connect = () =>
  region.store.registerHost({
    ...{ ...exampleHost(7), hostId: hostId('host-7'), zone: zoneId('hall-2') },
    devices: ['10de:2335', '10de:2335', '10de:ffff'].map((pciId, slot) => ({
      ...{ address: pciAddress(`0000:a${slot}:00.0`), pciId, numaNode: 0 },
    })),
  })
const readHost = async () => (await asOperator('GET', `${root}/hosts/host-7`)).body
const h200 = { id: 'h200', pciIds: ['10de:2335'], memoryGb: 141 }

it('a new hall takes instances as soon as its zone, its GPUs and its types are made', async () => {
  expect(await connect()).toMatchObject({ reason: 'UNKNOWN_ZONE' })
  const made = await asOperator('POST', zones, { id: 'hall-2', description: 'New.', cpuOvercommit: 2 })
  expect([made.status, made.headers.get('location'), made.body.cpuOvercommit]).toEqual([201, hall, 2])
  expect((await region.call('GET', hall)).body).not.toHaveProperty('cpuOvercommit')
  expect((await region.call('GET', root)).body.zones).toContain(hall)
  expect(await connect()).toMatchObject({ kind: 'registered' })
  expect((await readHost()).vcpus.capacity).toBe(32)

  const type = await asOperator('POST', types, h200)
  expect([type.status, type.body]).toMatchObject([201, { ...h200, maximumPerInstance: 8 }])
  const named = (await readHost()).devices.map((one: { acceleratorType?: string }) => one.acceleratorType)
  expect(named).toEqual(['h200', 'h200', undefined])

  const g9 = { id: 'g9', vcpus: 2, memoryMib: 2048, defaultImage: 'ubuntu-24.04-20260202-3' }
  await asOperator('POST', `${hall}/instance-types`, { ...g9, gpus: { type: 'h200', count: 1 } })
  const instance = await region.call('POST', instancesPath, { body: { type: 'g9', id: 'one' } })
  expect([instance.status, instance.body.gpus]).toEqual([202, [{ type: `${types}/h200`, count: 1 }]])
  const free = await region.call('POST', instancesPath, {
    body: { type: `${hall}/instance-types/custom-1-512`, gpus: [{ type: 'h200', count: 2 }] },
  })
  expect(reasons(free)[0]).toBeGreaterThanOrEqual(400)
  const quotas = (await region.call('GET', `${projectPath}/quotas`)).body.quotas as { id: string }[]
  expect(quotas.map(({ id }) => id)).toContain('gpus/h200')
})

it('nothing goes that is in use, and the answer says by whom', async () => {
  await asOperator('POST', zones, { id: 'hall-2' })
  await connect()
  await asOperator('POST', types, h200)
  const g9 = { id: 'g9', vcpus: 2, memoryMib: 2048, defaultImage: 'ubuntu-24.04-20260202-3' }
  await asOperator('POST', `${hall}/instance-types`, { ...g9, gpus: { type: 'h200', count: 1 } })
  await region.call('POST', instancesPath, { body: { type: 'g9', id: 'one' } })
  await region.call('POST', `${projectPath}/compute/disks`, {
    body: { id: 'data', sizeGb: 1, zone: 'hall-2' },
  })

  const refused = await asOperator('DELETE', `${types}/h200`)
  expect(reasons(refused)).toEqual([409, ['RESOURCE_IN_USE', undefined]])
  expect(sentence(refused)).toMatch(/by instance one, instance type g9; delete that first/)
  const patch = await asOperator('PATCH', `${types}/h200`, { pciIds: ['10de:ffff'] })
  expect(reasons(patch)).toEqual([409, ['RESOURCE_IN_USE', 'pciIds']])
  expect(sentence(await asOperator('DELETE', hall))).toMatch(
    /by host host-7, instance one, disk data, accelerator type h200, instance type g9; first start the hosts' agents/,
  )

  await region.remove('one')
  expect((await asOperator('DELETE', `${hall}/instance-types/g9`)).status).toBe(204)
  expect((await asOperator('DELETE', `${types}/h200`)).status).toBe(204)
  expect((await readHost()).devices[0]).not.toHaveProperty('acceleratorType')
  await region.call('DELETE', `${projectPath}/compute/disks/data`)
  connected = false
  await asOperator('POST', `${root}/hosts/host-7:fence`, { confirm: 'host-7' })
  expect((await asOperator('DELETE', hall)).status).toBe(204)
  expect((await asOperator('GET', types)).status).toBe(404)
  const late = await region.call('POST', `${projectPath}/compute/disks`, {
    body: { sizeGb: 1, zone: 'hall-2' },
  })
  expect(reasons(late)).toEqual([422, ['REFERENCE_NOT_FOUND', 'zone']])
})

it('both are changed under their ETag, once for each key', async () => {
  const key = { 'idempotency-key': 'k1' }
  const first = await asOperator('POST', zones, { id: 'hall-2' }, key)
  const again = await asOperator('POST', zones, { id: 'hall-2' }, key)
  expect([again.status, again.body.uid]).toEqual([201, first.body.uid])
  expect(reasons(await asOperator('POST', zones, { id: 'hall-2' }))).toEqual([409, ['NAME_TAKEN', 'id']])
  await connect()
  const zone = await asOperator(
    'PATCH',
    hall,
    { cpuOvercommit: 1.5, description: 'Two.' },
    { 'if-match': '"1"' },
  )
  expect([zone.body, zone.headers.get('etag')]).toMatchObject([{ cpuOvercommit: 1.5 }, '"2"'])
  expect((await readHost()).vcpus.capacity).toBe(24)
  expect(reasons(await asOperator('DELETE', hall, undefined, { 'if-match': '"1"' }))[0]).toBe(412)

  await asOperator('POST', types, h200)
  const patch = { memoryGb: null, maximumPerInstance: 2, pciIds: ['10de:2335', '10de:ffff'] }
  const type = await asOperator('PATCH', `${types}/h200`, patch, { 'if-match': '"1"' })
  expect(type.body).toMatchObject({ maximumPerInstance: 2, pciIds: patch.pciIds })
  expect(type.body).not.toHaveProperty('memoryGb')
  expect((await readHost()).devices[2].acceleratorType).toBe('h200')
  const taken = { id: 'other', pciIds: ['10de:0001', '10de:ffff'] }
  expect(reasons(await asOperator('POST', types, taken))).toEqual([409, ['PCI_ID_IN_USE', 'pciIds']])
  await asOperator('POST', types, { ...taken, pciIds: ['10de:0001'] })
  const moved = await asOperator('PATCH', `${types}/other`, { pciIds: ['10de:ffff'] })
  expect(sentence(moved)).toMatch(/h200 of this zone has the PCI id 10de:ffff/)
})

it('those of the settings file are changed there', async () => {
  const declared = [409, ['RESOURCE_DECLARED', undefined]]
  const gpu = `${zones}/us1-a/accelerator-types/nvidia-h100-80gb`
  for (const path of [`${zones}/us1-b`, gpu]) {
    expect(reasons(await asOperator('PATCH', path, { description: 'x' }))).toEqual(declared)
    expect(reasons(await asOperator('DELETE', path))).toEqual(declared)
  }
  // More of them can be made beside.
  expect((await asOperator('POST', `${zones}/us1-b/accelerator-types`, h200)).status).toBe(201)
  const same = { id: 'again', pciIds: ['10de:2331'] }
  expect(reasons(await asOperator('POST', `${zones}/us1-a/accelerator-types`, same))).toEqual([
    ...[409, ['PCI_ID_IN_USE', 'pciIds']],
  ])
})

it.each([
  [zones, { id: 'Hall' }, [['INVALID_VALUE', 'id']], /lower-case letter first/],
  [zones, { id: 'a', cpuOvercommit: 0.5 }, [['INVALID_VALUE', 'cpuOvercommit']], /1 or more/],
  [zones, { id: 'a', cpuOvercommit: '2' }, [['WRONG_TYPE', 'cpuOvercommit']], /must be a number/],
  [`${zones}/us1-a/accelerator-types`, { id: 'a' }, [['MISSING_FIELD', 'pciIds']], /pciIds/],
  [
    `${zones}/us1-a/accelerator-types`,
    { id: 'a', pciIds: [] },
    [['INVALID_VALUE', 'pciIds']],
    /at least 1 entry/,
  ],
  [
    ...[`${zones}/us1-a/accelerator-types`, { id: 'a', pciIds: ['10DE:2330'] }],
    ...[[['INVALID_VALUE', 'pciIds[0]']], /such as 10de:2330/],
  ],
] as const)('POST %s %j says what is wrong', async (path, body, problems, words) => {
  const answer = await asOperator('POST', path, body)
  expect(reasons(answer)).toEqual([400, ...problems])
  expect(sentence(answer)).toMatch(words)
})
