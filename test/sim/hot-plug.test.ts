// GPUs that come and go while agent and scheduler run, through the whole of Berth over a host that is a model.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { parseShape } from '../../agent/host/fake/shape.ts'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

const type = 'nvidia-h100-80gb'
const gpus = (count: number) => [{ type, count }]
const third = parseShape(`3x${type}`).devices[2]
if (!third) throw new Error('There are three.')

let region: SmallRegion
beforeEach(async () => {
  region = await startSmallRegion(`2x${type}`)
})
afterEach(() => region.close())

const presentGpus = async () =>
  (await region.snapshot()).devices.filter(({ present }) => present).map(({ address }) => address)

it('a GPU that comes is given out without a restart of anything', async () => {
  await expect(region.create({ gpus: gpus(3) })).rejects.toThrow()
  region.host.sysfs.plug(third)
  await expect.poll(presentGpus).toHaveLength(3)
  const { uid } = await region.create({ gpus: gpus(3) })
  await region.until(uid, (one) => one?.status === 'RUNNING')
})

it('a GPU that goes while a guest has it stays the guest’s, and nobody else gets what is left of it', async () => {
  const { uid } = await region.create({ gpus: gpus(1) })
  await region.until(uid, (one) => one?.status === 'RUNNING')
  const claimed = (await region.snapshot()).devices.find(({ claimedBy }) => claimedBy === uid)
  if (!claimed) throw new Error('It has none.')
  region.host.sysfs.lose(claimed.address, 'pulled')
  await expect.poll(presentGpus).toHaveLength(1)
  const after = (await region.snapshot()).devices.find(({ address }) => address === claimed.address)
  expect(after).toMatchObject({ claimedBy: uid, present: false })
  const other = await region.create({ gpus: gpus(1) })
  await region.until(other.uid, (one) => one?.status === 'RUNNING')
  await expect(region.create({ gpus: gpus(1) })).rejects.toThrow()
  expect(await region.find(uid)).toMatchObject({ status: 'RUNNING' })
})

it('guests’ identity survives: keys are not forgotten with the news', async () => {
  const keys = async () => (await region.ports.identity.all()).length
  await expect.poll(keys).toBeGreaterThan(0)
  const before = await keys()
  region.host.sysfs.plug(third)
  await expect.poll(presentGpus).toHaveLength(3)
  expect(await keys()).toBe(before)
})
