// Capacity that is kept: counted as used from the first moment, and always there for whom it is.
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { InstanceObservationSchema, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { projectId } from '../../../proto/ids.ts'
import { instancesPath, projectPath, type Region, startRegion } from './region.ts'

const path = `${projectPath}/compute/reservations`
const gpu = 'nvidia-h100-80gb'
const gpuPath = `/v1/regions/us-texas-1/zones/us1-a/accelerator-types/${gpu}`
let region: Region
let connected = true
beforeEach(async () => {
  connected = true
  region = await startRegion({ hosts: 2, connected: () => connected })
})
afterEach(() => region.close())

const reserve = (body: object) =>
  region.call('POST', path, { body: { id: 'nightly', type: 'g1-xlarge', count: 2, ...body } })
const createFrom = (id: string, rest: object = {}) =>
  region.call('POST', instancesPath, { body: { id, type: 'g1-xlarge', reservation: 'nightly', ...rest } })
const withGpus = { gpus: [{ type: gpu, count: 1 }] }
const read = async () => (await region.call('GET', `${path}/nightly`)).body
const usage = async () => {
  const { hosts } = await region.store.readHostsChangedAfter(0)
  const sum = (of: (host: (typeof hosts)[number]) => number) => hosts.reduce((all, host) => all + of(host), 0)
  return {
    vcpus: sum(({ vcpus }) => vcpus.used),
    diskGb: sum(({ diskGb }) => diskGb.used),
    gpus: sum(({ devices }) => devices.filter(({ claimedBy }) => claimedBy !== undefined).length),
  }
}
const quotas = async () => {
  const { body } = await region.call('GET', `${projectPath}/quotas`)
  const used = (body.quotas as { id: string; used: number }[]).map(({ id, used }) => [id, used])
  return Object.fromEntries(used) as Record<string, number>
}

async function observe(id: string, phase: InstancePhase, released = false): Promise<void> {
  const instance = await region.store.findInstance(projectId('project-x9y8z7'), id)
  if (instance === undefined) throw new Error(`There is no ${id}.`)
  const { uid, generation, hostId } = instance
  await region.store.applyObservation({
    hostId,
    observation: create(InstanceObservationSchema, {
      ...{ uid, generation, phase, released, epoch: 1, settled: true },
    }),
    nowMs: 1,
  })
}

it('counts as used, and is what its instances are made from', async () => {
  const made = await reserve({ gpus: { type: gpu, count: 1 } })
  expect([made.status, made.body]).toMatchObject([
    201,
    { count: 2, held: 2, used: 0, diskGb: 10, gpus: [{ type: gpuPath, count: 1 }] },
  ])
  const kept = { vcpus: 8, diskGb: 20, gpus: 2 }
  expect(await usage()).toEqual(kept)
  expect(await quotas()).toMatchObject({ vcpus: 8, disksGb: 20, [`gpus/${gpu}`]: 2, instances: 0 })

  const [first, second] = await Promise.all([createFrom('one', withGpus), createFrom('two', withGpus)])
  expect([first.status, second.status]).toEqual([202, 202])
  expect(first.body).toMatchObject({ reservation: `${path}/nightly` })
  expect(await usage()).toEqual(kept)
  expect(await quotas()).toMatchObject({ vcpus: 8, instances: 2, addresses: 2 })
  expect(await read()).toMatchObject({ used: 2, users: [`${instancesPath}/one`, `${instancesPath}/two`] })

  const third = await createFrom('three', withGpus)
  expect([third.status, third.body.error.message]).toEqual([
    409,
    'Reservation nightly holds room for 2, and all of it is in use.',
  ])
  expect((await region.call('DELETE', `${path}/nightly`)).status).toBe(409)
  await region.remove('one')
  expect(await usage()).toEqual(kept)
  expect((await createFrom('three', withGpus)).status).toBe(202)
  await region.remove('two')
  await region.remove('three')
  expect((await region.call('DELETE', `${path}/nightly`)).status).toBe(204)
  expect(await usage()).toEqual({ vcpus: 0, diskGb: 0, gpus: 0 })
  expect(await quotas()).toMatchObject({ vcpus: 0, disksGb: 0, [`gpus/${gpu}`]: 0, addresses: 0 })
})

it('keeps the GPUs of an instance that is stopped, whoever else wants them', async () => {
  await reserve({ gpus: { type: gpu, count: 2 }, count: 1 })
  await createFrom('one', { gpus: [{ type: gpu, count: 2 }] })
  await observe('one', InstancePhase.RUNNING)
  await region.call('POST', `${instancesPath}/one:stop`)
  await observe('one', InstancePhase.STOPPED, true)
  expect(await usage()).toMatchObject({ vcpus: 4, gpus: 2 })
  const others = ['a', 'b', 'c'].map((id) =>
    region.call('POST', instancesPath, { body: { id, type: 'g1-xlarge', ...withGpus } }),
  )
  expect((await Promise.all(others)).map(({ status }) => status).toSorted()).toEqual([202, 202, 409])
  expect((await region.call('POST', `${instancesPath}/one:start`)).status).toBe(202)
  const started = await region.store.findInstance(projectId('project-x9y8z7'), 'one')
  expect(started?.spec.gpus).toHaveLength(2)
  expect(await usage()).toMatchObject({ vcpus: 12, gpus: 4 })
  await region.remove('one')
  expect(await read()).toMatchObject({ held: 1, used: 0 })
  expect(await usage()).toMatchObject({ vcpus: 12, gpus: 4 })
})

it('is for what it says: another shape, more than there is and what is unknown are refused', async () => {
  await reserve({})
  const larger = await createFrom('one', withGpus)
  expect([larger.status, larger.body.error.details]).toMatchObject([
    422,
    [
      {
        ...{ reason: 'RESERVATION_MISMATCH', field: 'reservation' },
        message: expect.stringContaining('it is for no GPUs'),
      },
    ],
  ])
  const unknown = await createFrom('one', { reservation: 'daily' })
  expect([unknown.status, unknown.body.error.details[0]]).toMatchObject([422, { field: 'reservation' }])
  const much = await reserve({ id: 'much', gpus: { type: gpu, count: 1 }, count: 5 })
  expect([much.status, much.body.error.message]).toEqual([
    409,
    expect.stringMatching(/^Nothing was reserved: there is room for 4 of 5 now\./),
  ])
  expect(await usage()).toEqual({ vcpus: 8, diskGb: 20, gpus: 0 })
  const strange = await reserve({ id: 'strange', gpus: { type: 'abacus', count: 1 } })
  expect([strange.status, strange.body.error.details[0].field]).toEqual([422, 'gpus.type'])
  const operator = await region.issuer.tokenFor('operator')
  await region.call('PUT', `${projectPath}/quotas`, { token: operator, body: { limits: { vcpus: 8 } } })
  expect((await reserve({ id: 'more' })).status).toBe(403)
  expect((await createFrom('one')).status).toBe(202)
})

it('is planned with, made from by a batch, and loses what a fenced host had', async () => {
  await reserve({ count: 3 })
  const body = { type: 'g1-xlarge', reservation: 'nightly' }
  const plan = await region.call('POST', `${instancesPath}:plan`, { body })
  expect(plan.body).toMatchObject({ verdict: 'FITS' })
  const batch = { instances: ['one', 'two', 'three'].map((id) => ({ ...body, id })) }
  expect((await region.call('POST', `${instancesPath}:batchCreate`, { body: batch })).status).toBe(202)
  expect(await read()).toMatchObject({ held: 3, used: 3 })
  const full = await region.call('POST', `${instancesPath}:plan`, { body })
  expect(full.body).toMatchObject({ verdict: 'NOT_NOW', message: expect.stringContaining('in use') })

  const operator = await region.issuer.tokenFor('operator')
  connected = false
  for (const host of ['host-1', 'host-2']) {
    const fence = { token: operator, body: { confirm: host } }
    expect((await region.call('POST', `/v1/regions/us-texas-1/hosts/${host}:fence`, fence)).status).toBe(200)
  }
  expect(await read()).toMatchObject({ count: 3, held: 0, used: 0 })
  expect(await usage()).toEqual({ vcpus: 0, diskGb: 0, gpus: 0 })
  expect((await createFrom('four')).body.error.message).toContain('holds nothing any more')
})
