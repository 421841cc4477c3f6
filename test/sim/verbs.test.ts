// Stop, start, restart, reset and update through the whole of Berth, over a host that is a model at the lowest ports.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

const gpus = [{ type: 'nvidia-h100-80gb', count: 1 }]
let region: SmallRegion
beforeEach(async () => {
  region = await startSmallRegion()
})
afterEach(() => region.close())

async function runningInstance() {
  const { uid } = await region.create({ gpus })
  await region.until(uid, (one) => one?.status === 'RUNNING')
  return uid
}

it('a stopped instance gives its GPU back, takes one again, and keeps its disk', async () => {
  const uid = await runningInstance()
  const disks = () => region.host.files.paths().filter((path) => path.endsWith('.qcow2'))
  const before = disks()
  const { operationId } = await region.change('stop', uid)
  await region.until(uid, (one) => one?.status === 'STOPPED' && one.holds === 'storage')
  expect(await region.operation(operationId)).toMatchObject({ verb: 'stop', status: 'DONE' })
  await expect.poll(() => region.freeGpus()).toBe(2)
  expect(disks()).toEqual(before)
  const started = await region.change('start', uid)
  await expect.poll(() => region.freeGpus()).toBe(1)
  await region.until(uid, (one) => one?.status === 'RUNNING')
  await expect.poll(async () => region.operation(started.operationId)).toMatchObject({ status: 'DONE' })
  expect(await region.events(uid)).toEqual(
    expect.arrayContaining(['STOPPING', 'STOPPED', 'PROVISIONING', 'RUNNING']),
  )
})

it('a start whose GPUs others have taken meanwhile is refused with the reason, and possible later', async () => {
  const uid = await runningInstance()
  await region.change('stop', uid)
  await region.until(uid, (one) => one?.holds === 'storage')
  const other = await region.create({ gpus: [{ ...gpus[0], count: 2 }] })
  await region.until(other.uid, (one) => one?.status === 'RUNNING')
  await expect(region.change('start', uid)).rejects.toThrow(/can't be started now.*POOL_CAPACITY_EXCEEDED/)
  await region.change('delete', other.uid)
  await region.until(other.uid, (one) => one === undefined)
  await region.change('start', uid)
  await region.until(uid, (one) => one?.status === 'RUNNING')
})

it('a restart and a reset end with their operations, and the guest runs', async () => {
  const uid = await runningInstance()
  for (const verb of ['restart', 'reset'] as const) {
    const { operationId } = await region.change(verb, uid)
    await expect.poll(async () => region.operation(operationId)).toMatchObject({ verb, status: 'DONE' })
    expect(await region.operation(operationId)).not.toHaveProperty('error')
    expect(await region.find(uid)).toMatchObject({ status: 'RUNNING' })
  }
  await expect.poll(() => region.freeGpus()).toBe(1)
})

it('a suspended instance gives CPU and memory back, and goes on with what it had in memory', async () => {
  const { uid } = await region.create()
  await region.until(uid, (one) => one?.status === 'RUNNING')
  const usedNow = async () => {
    const { vcpus, memoryMib, diskGb } = await region.snapshot()
    return [vcpus.used, memoryMib.used, diskGb.used]
  }
  const running = await usedNow()
  const [guest] = [...region.host.guests.values()]
  if (guest !== undefined) guest.memory = 'a train of thought'
  const suspended = await region.change('suspend', uid)
  await region.until(uid, (one) => one?.status === 'SUSPENDED' && one.holds === 'storage')
  await expect.poll(async () => region.operation(suspended.operationId)).toMatchObject({ status: 'DONE' })
  expect((await usedNow()).slice(0, 2)).toEqual([0, 0])
  await expect(region.change('start', uid)).rejects.toThrow(/resume it/)
  await region.restartAgent()
  const resumed = await region.change('resume', uid)
  await region.until(uid, (one) => one?.status === 'RUNNING')
  await expect.poll(async () => region.operation(resumed.operationId)).toMatchObject({ status: 'DONE' })
  expect([...region.host.guests.values()].map(({ memory }) => memory)).toEqual(['a train of thought'])
  await expect.poll(usedNow).toEqual(running)
  expect(region.host.files.paths().filter((path) => path.includes('memory.qcow2'))).toEqual([])
})

it('a suspend with GPUs is refused, and one without room leaves the guest running', async () => {
  await expect(region.change('suspend', await runningInstance())).rejects.toThrow(/SUSPEND_UNSUPPORTED/)
  const { uid } = await region.create()
  await region.until(uid, (one) => one?.status === 'RUNNING')
  region.host.files.place('/ballast', { sizeBytes: (await region.host.files.freeBytes()) - 1e8 })
  const { operationId } = await region.change('suspend', uid)
  await expect
    .poll(async () => region.operation(operationId))
    .toMatchObject({ error: { reason: 'DISK_FULL' } })
  expect(await region.find(uid)).toMatchObject({ status: 'RUNNING' })
})

it('survives an agent that is gone while it is stopped and started', async () => {
  const uid = await runningInstance()
  await region.change('stop', uid)
  await region.restartAgent()
  await region.until(uid, (one) => one?.holds === 'storage')
  await region.change('start', uid)
  await region.restartAgent()
  await region.until(uid, (one) => one?.status === 'RUNNING')
})
