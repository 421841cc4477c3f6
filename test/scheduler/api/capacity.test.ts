import { afterAll, beforeAll, expect, it } from 'vitest'
import { exampleType } from '../admission/context.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

const regionPath = '/v1/regions/us-texas-1'
const h100 = 'nvidia-h100-80gb'
let isConnected = true
let region: Region
let token = ''
beforeAll(async () => {
  region = await startRegion({ hosts: 2, connected: () => isConnected })
  token = await region.issuer.tokenFor('operator')
})
afterAll(() => region.close())

const read = async () => (await region.call('GET', `${regionPath}/capacity`, { token })).body.capacity
const scrape = async (): Promise<string> => (await region.call('GET', '/metrics', { token })).body
const create = (count: number) =>
  region.call('POST', instancesPath, { body: { type: exampleType, gpus: [{ type: h100, count }] } })

it('says by zone and type what is free and what would fit', async () => {
  expect(await read()).toContainEqual({
    ...{
      zone: `${regionPath}/zones/us1-a`,
      acceleratorType: `${regionPath}/zones/us1-a/accelerator-types/${h100}`,
    },
    ...{
      hosts: { total: 2, ready: 2 },
      gpus: { total: 4, claimed: 0, free: 4, keptForProject: 0, unavailable: 0, stranded: 0 },
    },
    placeable: [
      { gpus: 2, requests: 2 },
      { gpus: 1, requests: 4 },
    ],
    largestPlaceable: 2,
  })
  const types = (await region.call('GET', `${regionPath}/zones/us1-a/accelerator-types`)).body
    .acceleratorTypes
  expect(await read()).toHaveLength(types.length)
})

it('is for operators', async () => {
  for (const path of [`${regionPath}/capacity`, '/metrics']) {
    expect((await region.call('GET', path)).status).toBe(403)
    expect((await region.call('GET', path, { token: '' })).status).toBe(401)
  }
})

it('follows what is created, and counts how creates end', async () => {
  expect((await create(1)).status).toBe(202)
  expect((await create(2)).status).toBe(202)
  expect((await create(2)).status).toBe(409)
  const [first] = await read()
  expect(first).toMatchObject({ gpus: { claimed: 3, free: 1 }, largestPlaceable: 1 })
  const lines = (await scrape()).split('\n')
  const of = `{zone="us1-a",accelerator="${h100}"}`
  for (const line of [
    `berth_gpus${of} 4`,
    `berth_claimed_gpus${of} 3`,
    `berth_free_gpus${of} 1`,
    `berth_kept_gpus${of} 0`,
    `berth_unavailable_gpus${of} 0`,
    `berth_stranded_gpus${of} 0`,
    `berth_largest_placeable_gpus${of} 1`,
    `berth_placeable_requests{zone="us1-a",accelerator="${h100}",gpus="2"} 0`,
    'berth_hosts{zone="us1-a",state="ready"} 2',
    'berth_connected_hosts{zone="us1-a"} 2',
    'berth_create_requests_total{result="accepted"} 2',
    'berth_create_requests_total{result="POOL_CAPACITY_EXCEEDED"} 1',
    'berth_create_refusals_total{rule="gpu-count"} 1',
  ]) {
    expect(lines).toContain(line)
  }
})

it('has nothing free on hosts that are out of reach', async () => {
  isConnected = false
  const [first] = await read()
  isConnected = true
  expect(first).toMatchObject({ hosts: { total: 2, ready: 0 }, gpus: { free: 0 }, largestPlaceable: 0 })
  expect((await read())[0]).toMatchObject({ hosts: { ready: 2 }, largestPlaceable: 1 })
})
