// Devices as operators see them, and their word on them; what tenants are told where a device can't be had.
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, expect, it } from 'vitest'
import {
  type DeviceObservation,
  DeviceObservationSchema,
  DeviceState,
} from '../../../proto/gen/berth/agent/v1/device_pb.ts'
import { hostId } from '../../../proto/ids.ts'
import { readOutbox } from '../../contract/store-values.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

const hostPath = '/v1/regions/us-texas-1/hosts/host-1'
const path = `${hostPath}/devices`
const [first, second] = ['0000:10:00.0', '0000:11:00.0']
const gpu = 'nvidia-h100-80gb'
const host = hostId('host-1')

let region: Region
let token = ''
beforeEach(async () => {
  region = await startRegion()
  token = await region.issuer.tokenFor('operator')
})
afterEach(() => region.close())

const read = (at = path) => region.call('GET', at, { token })
const ask = (verb: string, address = first, request: object = {}) =>
  region.call('POST', `${path}/${address}:${verb}`, { token, ...request })
const observe = (seen: Partial<Omit<DeviceObservation, '$typeName' | '$unknown'>>) =>
  region.store.applyDeviceObservation({
    ...{ hostId: host, epoch: 1, nowMs: 1 },
    observation: create(DeviceObservationSchema, {
      ...{ address: first, present: true, state: DeviceState.FREE, ...seen },
    }),
  })
const quarantined = {
  ...{
    state: DeviceState.QUARANTINED,
    reason: 'RESET_FAILED',
    message: 'It hangs. See to it, and reset it.',
  },
  ...{ enteredAtUnixMs: 1_700_000_000_000n, unscrubbedProject: 'lab', instanceUid: 'gone' },
}
const createGpus = (count: number, id = 'train') =>
  region.call('POST', instancesPath, { body: { id, type: 'g1-xlarge', gpus: [{ type: gpu, count }] } })

it('are listed by address, a page at a time, with all that is known of them', async () => {
  await observe(quarantined)
  const page = await read(`${path}?pageSize=1`)
  expect([page.status, page.body.devices]).toEqual([
    200,
    [
      {
        ...{ selfLink: `${path}/${first}`, address: first, acceleratorType: gpu, pciId: '10de:2330' },
        ...{ numaNode: 0, present: true, state: 'QUARANTINED', reason: 'RESET_FAILED' },
        statusMessage: 'It hangs. See to it, and reset it.',
        ...{ stateSince: '2023-11-14T22:13:20.000Z', unscrubbedProject: 'lab', holderUid: 'gone' },
      },
    ],
  ])
  const rest = await read(`${path}?pageSize=1&pageToken=${page.body.nextPageToken}`)
  expect(rest.body.devices).toMatchObject([{ address: second, state: 'FREE', reason: '' }])
  await createGpus(1)
  const one = await read(`${path}/${second}`)
  expect([one.status, one.body]).toMatchObject([200, { instance: `${instancesPath}/train` }])
  const { body } = await read(hostPath)
  expect(body.devices).toMatchObject([
    { address: first, state: 'QUARANTINED', reason: 'RESET_FAILED' },
    { address: second, state: 'FREE', claimedBy: one.body.claimedBy },
  ])
  for (const missing of [
    `${path}/0000:99:00.0`,
    `${path}/nothing`,
    '/v1/regions/us-texas-1/hosts/no/devices',
  ]) {
    expect([missing, (await read(missing)).status]).toEqual([missing, 404])
  }
})

it('are no business of tenants', async () => {
  expect((await region.call('GET', path)).status).toBe(403)
  expect((await region.call('POST', `${path}/${first}:release`)).status).toBe(403)
})

it('take a word that their host carries out, and say how it ended', async () => {
  await observe(quarantined)
  const released = await ask('release')
  expect([released.status, released.headers.get('location'), released.body]).toMatchObject([
    ...[202, `${path}/${first}`],
    { state: 'QUARANTINED', lastCommand: { verb: 'release', status: 'RUNNING' } },
  ])
  expect(region.nudged).toEqual([host])
  await observe({ generation: 1 })
  expect((await read(`${path}/${first}`)).body).toMatchObject({
    ...{ state: 'FREE', lastCommand: { verb: 'release', status: 'DONE' } },
  })
  expect((await ask('quarantine', first, { body: { reason: 'It is warm.' } })).status).toBe(202)
  const commands = await readOutbox(region.store, host)
  expect(commands.map(({ uid, generation, body }) => [uid, generation, body.value])).toMatchObject([
    [first, 1, { reason: '' }],
    [first, 2, { reason: 'It is warm.' }],
  ])
  await region.store.failDeviceCommand({
    ...{ hostId: host, address: released.body.address, generation: 2 },
    ...{ reason: 'COMMAND_UNSUPPORTED', message: 'The agent is too old.' },
  })
  expect((await read(`${path}/${first}`)).body.lastCommand).toMatchObject({
    ...{ status: 'DONE', error: { reason: 'COMMAND_UNSUPPORTED', message: 'The agent is too old.' } },
  })
  const audit = await region.call('GET', '/v1/regions/us-texas-1/audit', { token })
  expect(audit.body.entries.map(({ action, path: at }: Record<string, string>) => [action, at])).toEqual([
    ['quarantineDevice', `${path}/${first}:quarantine`],
    ['releaseDevice', `${path}/${first}:release`],
  ])
})

it('take the same word once under one key', async () => {
  const headers = { 'idempotency-key': 'key-1' }
  const answers = [await ask('reset', first, { headers }), await ask('reset', first, { headers })]
  expect(answers.map(({ status }) => status)).toEqual([202, 202])
  expect(await readOutbox(region.store, host)).toHaveLength(1)
  for (const other of [
    await ask('reset', second, { headers }),
    await ask('quarantine', first, { headers }),
  ]) {
    expect([other.status, other.body.error.details[0].reason]).toEqual([409, 'IDEMPOTENCY_KEY_REUSED'])
  }
})

it('are not reset under a guest, nor released from nothing', async () => {
  await createGpus(2)
  const reset = await ask('reset')
  expect([reset.status, reset.body.error.details[0]]).toMatchObject([
    409,
    { reason: 'WRONG_STATE', message: expect.stringContaining('instance train of project project-x9y8z7') },
  ])
  expect((await ask('release')).body.error.message).toContain('nothing to release it from')
  expect((await ask('reset', '0000:99:00.0')).body.error.message).toContain('host host-1')
  expect((await ask('quarantine', first, { body: { because: 'x' } })).status).toBe(400)
  expect((await ask('quarantine', first, { body: { reason: 'x\ny' } })).status).toBe(400)
  expect((await region.call('GET', `${path}/${first}:release`, { token })).status).toBe(405)
})

it('that nobody can have are counted where they are missed, and names of others are not told', async () => {
  await observe(quarantined)
  await observe({ address: second, unscrubbedProject: 'project-of-others' })
  const refused = await createGpus(1)
  expect([refused.status, refused.body.error.message]).toEqual([
    409,
    expect.stringContaining(
      'it has 0 of 2 nvidia-h100-80gb free and 1 are needed: 1 is quarantined (RESET_FAILED), 1 is unscrubbed after another project',
    ),
  ])
  expect(JSON.stringify(refused.body)).not.toContain('project-of-others')
  await observe({ address: second, unscrubbedProject: 'project-x9y8z7' })
  expect((await createGpus(1)).status).toBe(202)
})

it('that are unscrubbed are a matter of their zone, which only operators see', async () => {
  await observe({ unscrubbedProject: 'lab' })
  await observe({ address: second, unscrubbedProject: 'lab' })
  const zones = '/v1/regions/us-texas-1/zones'
  const body = { id: 'z9', unscrubbedDevices: 'reuse' }
  const made = await region.call('POST', zones, { token, body })
  expect([made.status, made.body.unscrubbedDevices]).toEqual([201, 'reuse'])
  const patched = await region.call('PATCH', `${zones}/z9`, {
    token,
    body: { unscrubbedDevices: 'quarantine' },
  })
  expect([patched.status, patched.body.unscrubbedDevices]).toEqual([200, 'quarantine'])
  expect((await region.call('GET', `${zones}/z9`)).body).not.toHaveProperty('unscrubbedDevices')
  const wrong = await region.call('PATCH', `${zones}/z9`, { token, body: { unscrubbedDevices: 'burn' } })
  expect(wrong.status).toBe(400)
  expect((await createGpus(1)).status).toBe(409)
})
