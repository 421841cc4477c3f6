// Creates that wait for capacity: PENDING until somebody goes, a host comes, or they have waited enough.
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { InstanceObservationSchema, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { projectId } from '../../../proto/ids.ts'
import { exampleHost, instancesPath, projectPath, type Region, startRegion } from './region.ts'

let region: Region
beforeEach(async () => {
  region = await startRegion({ hosts: 1 })
})
afterEach(() => region.close())

const gpus = [{ type: 'nvidia-h100-80gb', count: 2 }]
const ask = (id: string, scheduling?: object, rest: object = {}) =>
  region.call('POST', instancesPath, {
    body: { id, type: 'g1-xlarge', gpus, ...(scheduling && { scheduling }), ...rest },
  })
const wait = { waitForCapacity: true }
const read = async (id: string) => (await region.call('GET', `${instancesPath}/${id}`)).body
const reasonsOf = (answer: { body: { error: { details: { reason: string; field: string }[] } } }) =>
  answer.body.error.details.map(({ reason, field }) => `${field}: ${reason}`)
const used = async () => {
  const { body } = await region.call('GET', `${projectPath}/quotas`)
  return Object.fromEntries((body.quotas as { id: string; used: number }[]).map(({ id, used: n }) => [id, n]))
}

it('are answered at once, and placed when another is gone', async () => {
  expect((await ask('first')).status).toBe(202)
  const refused = await ask('second')
  expect([refused.status, ...reasonsOf(refused)]).toEqual([409, 'gpus: POOL_CAPACITY_EXCEEDED'])

  const waiting = await ask('second', wait)
  expect([waiting.status, waiting.body]).toMatchObject([
    202,
    {
      lifecycle: {
        ...{ status: 'PENDING', reason: 'WAITING_FOR_CAPACITY' },
        statusMessage: expect.stringMatching(
          /^Waits for capacity, until .+ at most\. Not the one host .+0 of 2/,
        ),
      },
      ...{ scheduling: wait, nics: [{ ipv4Address: expect.stringMatching(/^10.20.0.\d+$/) }] },
    },
  ])
  expect(waiting.headers.get('operation')).toContain('/operations/')
  expect(await used()).toMatchObject({ instances: 2, vcpus: 8, 'gpus/nvidia-h100-80gb': 4, addresses: 2 })

  await region.remove('first')
  await expect.poll(async () => (await read('second')).lifecycle.status).toBe('PROVISIONING')
  const { hostId, spec, uid, generation, explanation } =
    (await region.store.findInstance(projectId('project-x9y8z7'), 'second')) ?? {}
  expect([hostId, spec?.gpus.length]).toEqual(['host-1', 2])
  expect(explanation).toMatchObject({ refusedBy: [], hostsFit: 1 })
  await region.store.applyObservation({
    hostId: exampleHost(1).hostId,
    observation: create(InstanceObservationSchema, {
      ...{
        uid: uid ?? '',
        generation: generation ?? 0,
        phase: InstancePhase.RUNNING,
        epoch: 1,
        settled: true,
      },
    }),
    nowMs: 1,
  })
  const { body: events } = await region.call('GET', `${instancesPath}/second/events`)
  expect(events.events.map(({ to }: { to: string }) => to)).toEqual(['PENDING', 'PROVISIONING', 'RUNNING'])
  const { body: operations } = await region.call('GET', `${projectPath}/compute/operations`)
  const made = operations.operations.find(({ target }: { target?: string }) => target?.endsWith('/second'))
  expect(made).toMatchObject({ type: 'instances.create', status: 'DONE' })
})

it('are placed on a host that comes', async () => {
  await ask('first')
  await ask('second', wait)
  await region.store.registerHost(exampleHost(2))
  await expect.poll(async () => (await read('second')).lifecycle.status).toBe('PROVISIONING')
})

it('are deleted at once, and give back what counted', async () => {
  await ask('first')
  const before = await used()
  const key = { 'idempotency-key': 'wait-1' }
  const asked = { body: { id: 'second', type: 'g1-xlarge', gpus, scheduling: wait }, headers: key }
  const first = await region.call('POST', instancesPath, asked)
  const again = await region.call('POST', instancesPath, asked)
  expect([again.status, again.body.uid]).toEqual([202, first.body.uid])
  const patched = await region.call('PATCH', `${instancesPath}/second`, { body: { labels: { team: 'ml' } } })
  expect([patched.status, patched.body.lifecycle.status]).toEqual([202, 'PENDING'])
  const stopped = await region.call('POST', `${instancesPath}/second:stop`)
  expect([stopped.status, stopped.body.error.message]).toEqual([
    409,
    expect.stringContaining('delete it to wait no longer'),
  ])
  expect((await region.call('GET', `${instancesPath}/second/serialPort`)).status).toBeGreaterThanOrEqual(400)
  expect((await region.call('DELETE', `${instancesPath}/second`)).status).toBe(202)
  expect((await region.call('GET', `${instancesPath}/second`)).status).toBe(404)
  expect(await used()).toEqual(before)
  await region.remove('first')
  expect(await used()).toMatchObject({ instances: 0, 'gpus/nvidia-h100-80gb': 0 })
})

it('are refused where no host can ever take them, and where quota is out', async () => {
  const never = await ask('large', wait, { gpus: [{ type: 'nvidia-h100-80gb', count: 8 }] })
  expect([never.status, ...reasonsOf(never)]).toEqual([422, 'gpus: CAN_NEVER_FIT'])
  const token = await region.issuer.tokenFor('operator')
  await region.call('PUT', `${projectPath}/quotas`, { token, body: { limits: { vcpus: 7 } } })
  await ask('first')
  const second = await ask('second', wait)
  expect([second.status, ...reasonsOf(second)].slice(0, 1)).toEqual([403])
})

it('are for creates of one at a time that take no reservation', async () => {
  const instances = [{ type: 'g1-xlarge', scheduling: wait }]
  const batch = await region.call('POST', `${instancesPath}:batchCreate`, { body: { instances } })
  expect([batch.status, ...reasonsOf(batch)]).toEqual([
    400,
    'instances[0].scheduling.waitForCapacity: INVALID_VALUE',
  ])
  expect(reasonsOf(await ask('a', { waitTimeoutSeconds: 60 }))).toEqual([
    'scheduling.waitTimeoutSeconds: INVALID_VALUE',
  ])
  await region.call('POST', `${projectPath}/compute/reservations`, {
    body: { id: 'nightly', type: 'g1-xlarge', count: 1 },
  })
  const reserved = await ask('a', wait, { reservation: 'nightly', gpus: [] })
  expect(reasonsOf(reserved)).toEqual(['scheduling.waitForCapacity: INVALID_VALUE'])
})
