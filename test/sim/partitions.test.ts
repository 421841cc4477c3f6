// GPUs that NVSwitches join, through placement and agent: what the one chooses the other has a partition for.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

let region: SmallRegion

beforeAll(async () => {
  region = await startSmallRegion('8xnvidia-h100-80gb+nvswitch')
})
afterAll(() => region.close())

const gpus = (count: number) => ({ gpus: [{ type: 'nvidia-h100-80gb', count }] })
const switches = () => {
  if (!region.host.switches) throw new Error('The host has none.')
  return region.host.switches
}
const addressesOf = async (uid: string) =>
  (await region.find(uid))?.spec.gpus.map(({ address }) => address) ?? []

it('run guests of any size that there are partitions of, side by side', async () => {
  const { uid: first } = await region.create(gpus(8))
  await region.until(first, (instance) => instance?.status === 'RUNNING')
  await region.delete(first)
  await region.until(first, (instance) => instance === undefined)
  // The last trace is the agent's note of a teardown, which goes once the scheduler has it.
  await expect.poll(() => region.host.describe()).not.toContain('record.pb')
  const before = region.host.describe()
  const made = []
  for (const count of [4, 1, 2, 1]) made.push(await region.create(gpus(count)))
  for (const { uid } of made) {
    await region.until(uid, (instance) => instance?.status === 'RUNNING')
    expect(switches().isInitialized(await addressesOf(uid))).toBe(true)
  }
  expect(switches().active()).toHaveLength(4)
  await region.restartAgent()
  expect(switches().active()).toHaveLength(4)
  for (const { uid } of made) await region.delete(uid)
  for (const { uid } of made) await region.until(uid, (instance) => instance === undefined)
  await expect.poll(() => region.host.describe()).toBe(before)
  expect([switches().active(), switches().routed()]).toEqual([[], []])
})

it('are refused in a number that there is no partition of', async () => {
  await expect(region.create(gpus(3))).rejects.toThrow(/a guest gets 1, 2, 4, 8 of them/)
})

it('go to nobody while Fabric Manager does not run, and to guests once it does', async () => {
  switches().stop()
  await region.restartAgent()
  await expect.poll(() => region.freeGpus()).toBe(0)
  await expect(region.create(gpus(1))).rejects.toThrow(/quarantined \(FABRIC_UNHEALTHY\)/)
  switches().start()
  await region.restartAgent()
  await expect.poll(() => region.freeGpus()).toBe(8)
  const { uid } = await region.create(gpus(8))
  await region.until(uid, (instance) => instance?.status === 'RUNNING')
  await region.delete(uid)
  await region.until(uid, (instance) => instance === undefined)
})
