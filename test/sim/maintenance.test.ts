// A host that is drained and taken back: guests are told, stopped and started again, through the whole of Berth over a host
// that is a model at the lowest ports.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { hostId, projectId } from '../../proto/ids.ts'
import { type ChangeHost, changeHost } from '../../scheduler/operations/change-host.ts'
import { updateInstance } from '../../scheduler/operations/update-instance.ts'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

const gpus = [{ type: 'nvidia-h100-80gb', count: 1 }]
let region: SmallRegion
beforeEach(async () => {
  region = await startSmallRegion()
})
afterEach(() => region.close())

async function runningInstance(body: object = { gpus }): Promise<string> {
  const { uid } = await region.create(body)
  await region.until(uid, (one) => one?.status === 'RUNNING')
  return uid
}

async function change(verb: ChangeHost['verb'], noticeMs?: number) {
  const request = { verb, hostId: hostId('sim-1'), principal: 'operator', requestId: 'req_drain' }
  const outcome = await changeHost(
    { ...request, ...(noticeMs === undefined ? {} : { noticeMs }) },
    region.ports,
  )
  expect(outcome).toMatchObject({ kind: 'done' })
}

async function published(): Promise<string> {
  const [path = ''] = region.host.files.paths().filter((one) => /\/metadata\/.*\/10\.80\..*\.json$/.test(one))
  return new TextDecoder().decode(await region.host.files.read(path))
}

const maintenanceEvent = async (): Promise<string> =>
  JSON.parse(await published()).gce.instance['maintenance-event']

it('a guest is told of a drain, is stopped, and runs again once the host takes instances', async () => {
  const uid = await runningInstance()
  expect(await maintenanceEvent()).toBe('NONE')
  await change('drain', 3_600_000)
  await expect.poll(maintenanceEvent).toBe('TERMINATE_ON_HOST_MAINTENANCE')
  await region.until(uid, (one) => one?.statusMessage.includes('asked to power off in 3600 seconds') === true)
  expect(await region.find(uid)).toMatchObject({ status: 'STOPPING', reason: 'HOST_MAINTENANCE' })
  // Another wish of its owner does not take the notice away.
  const instanceMetadata = [{ key: 'motto', value: 'onwards' }]
  const asked = {
    project: projectId('project-x9y8z7'),
    idOrUid: uid,
    principal: 'owner',
    requestId: 'req_own',
  }
  expect(await updateInstance({ ...asked, body: { instanceMetadata } }, region.ports)).toMatchObject({
    ...{ kind: 'done', value: { instance: { generation: 3 } } },
  })
  await expect.poll(published).toContain('"motto":"onwards"')
  expect(await maintenanceEvent()).toBe('TERMINATE_ON_HOST_MAINTENANCE')
  expect(await region.find(uid)).toMatchObject({ status: 'STOPPING', reason: 'HOST_MAINTENANCE' })
  // A later drain with less patience.
  await change('drain', 0)
  await region.until(uid, (one) => one?.status === 'STOPPED' && one.holds === 'storage')
  expect(await region.find(uid)).toMatchObject({ reason: 'HOST_MAINTENANCE' })
  await expect.poll(() => region.freeGpus()).toBe(2)
  await change('uncordon')
  await region.until(uid, (one) => one?.status === 'RUNNING')
  await expect.poll(() => region.freeGpus()).toBe(1)
  expect(await maintenanceEvent()).toBe('NONE')
})

it('a guest that powers itself off has said that it is ready', async () => {
  const uid = await runningInstance()
  await change('drain', 3_600_000)
  await expect.poll(maintenanceEvent).toBe('TERMINATE_ON_HOST_MAINTENANCE')
  for (const guest of region.host.guests.values()) guest.powerOff()
  await region.until(uid, (one) => one?.status === 'STOPPED' && one.holds === 'storage')
  expect(await region.find(uid)).toMatchObject({ reason: 'HOST_MAINTENANCE' })
})

it('what its owner has stopped, or suspended, stays as it is', async () => {
  const stopped = await runningInstance()
  await region.change('stop', stopped)
  await region.until(stopped, (one) => one?.holds === 'storage')
  const suspended = await runningInstance({})
  await region.change('suspend', suspended)
  await region.until(suspended, (one) => one?.status === 'SUSPENDED')
  const leaving = await runningInstance({})
  await change('drain', 3_600_000)
  await region.until(leaving, (one) => one?.statusMessage.includes('3600 seconds') === true)
  // Its owner wants it to be stopped, notice or not.
  await region.change('stop', leaving)
  await region.until(leaving, (one) => one?.status === 'STOPPED')
  await change('uncordon')
  for (const uid of [stopped, leaving]) {
    expect(await region.find(uid)).toMatchObject({ status: 'STOPPED', desiredState: 2 })
  }
  expect(await region.find(suspended)).toMatchObject({ status: 'SUSPENDED' })
})
