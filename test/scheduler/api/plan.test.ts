import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { exampleImage, exampleType } from '../admission/context.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

const gpus = (count: number) => [{ type: 'nvidia-h100-80gb', count }]
let region: Region
beforeAll(async () => {
  region = await startRegion({ hosts: 2 })
})
afterAll(() => region.close())

const plan = (body: object, token?: string) =>
  region.call('POST', `${instancesPath}:plan`, token === undefined ? { body } : { body, token })
const count = async () => ((await region.call('GET', instancesPath)).body.instances as unknown[]).length

describe('POST …/instances:plan', () => {
  it('says that it fits, and makes nothing', async () => {
    const { status, body } = await plan({ type: exampleType, gpus: gpus(2) })
    expect(status).toBe(200)
    expect(body).toMatchObject({
      ...{ verdict: 'FITS', hostsConsidered: 2, counterfactuals: [] },
      demand: { zone: 'us1-a', vcpus: 4, memoryMib: 8192, diskGb: 10, gpus: gpus(2) },
    })
    expect(body).not.toHaveProperty('placement')
    expect(await count()).toBe(0)
  })

  it('says never, with what would fit instead', async () => {
    const { body } = await plan({ type: exampleType, gpus: gpus(8) })
    expect(body).toMatchObject({
      verdict: 'NEVER',
      rules: [{ rule: 'gpu-count', hostsRefused: 2, field: 'gpus' }],
      counterfactuals: [{ field: 'gpus', value: 2 }],
    })
    const disk = await plan({ type: exampleType, disks: [{ source: exampleImage, sizeGb: 60_000 }] })
    const [less] = disk.body.counterfactuals as { field: string; value: number }[]
    expect(less?.field).toBe('disks')
    const enough = await plan({
      type: exampleType,
      disks: [{ source: exampleImage, sizeGb: less?.value ?? 0 }],
    })
    expect(enough.body.verdict).toBe('FITS')
    const more = await plan({
      type: exampleType,
      disks: [{ source: exampleImage, sizeGb: (less?.value ?? 0) + 1 }],
    })
    expect(more.body.verdict).toBe('NEVER')
  })

  it('says not now while others have what is asked, host by host to operators alone', async () => {
    const made = await Promise.all(
      [1, 2].map(() => region.call('POST', instancesPath, { body: { type: exampleType, gpus: gpus(2) } })),
    )
    expect(made.map(({ status }) => status)).toEqual([202, 202])
    const { body } = await plan({ type: exampleType, gpus: gpus(1) })
    expect(body).toMatchObject({ verdict: 'NOT_NOW', counterfactuals: [{ field: 'gpus', value: 0 }] })
    expect(JSON.stringify(body)).not.toContain('host-')
    const operator = await region.issuer.tokenFor('operator', 'project-x9y8z7:viewer')
    const seen = await plan({ type: exampleType, gpus: gpus(1) }, operator)
    expect((seen.body.placement.refusals as { host: string }[]).map(({ host }) => host).sort()).toEqual([
      ...['host-1', 'host-2'],
    ])
  })

  it('refuses what a create would refuse', async () => {
    const { status, body } = await plan({ type: 'g9-huge', hostnme: 'x' })
    expect(status).toBe(400)
    expect((body.error.details as { reason: string }[]).map(({ reason }) => reason)).toEqual([
      ...['UNKNOWN_FIELD', 'REFERENCE_NOT_FOUND'],
    ])
  })
})

describe('POST …/instances:batchCreate', () => {
  const batch = (instances: readonly object[], headers = {}) =>
    region.call('POST', `${instancesPath}:batchCreate`, { body: { instances }, headers })

  it('makes all, once for a key', async () => {
    const before = await count()
    const headers = { 'idempotency-key': 'gang-1' }
    const body = [
      { type: exampleType, id: 'gang-a' },
      { type: exampleType, id: 'gang-b' },
      { type: exampleType },
    ]
    const [first, second] = [await batch(body, headers), await batch(body, headers)]
    expect([first.status, second.status]).toEqual([202, 202])
    const uids = (answer: typeof first) => (answer.body.instances as { uid: string }[]).map(({ uid }) => uid)
    expect(uids(second)).toEqual(uids(first))
    expect(first.body.operations).toEqual(second.body.operations)
    expect(await count()).toBe(before + 3)
    const other = await batch(body.slice(1), headers)
    expect(other.status).not.toBe(500)
  })

  it('makes none where one does not fit, and says which', async () => {
    const before = await count()
    const free = await batch([
      { type: exampleType, id: 'fits' },
      { type: exampleType, gpus: gpus(1) },
    ])
    expect(free.status).toBe(409)
    expect(free.body.error.details[0]).toMatchObject({
      ...{ reason: 'POOL_CAPACITY_EXCEEDED', field: 'instances[1].gpus' },
    })
    const taken = await batch([
      { type: exampleType, id: 'new' },
      { type: exampleType, id: 'gang-a' },
    ])
    expect([taken.status, taken.body.error.details[0].field]).toEqual([409, 'instances[1].id'])
    const wrong = await batch([{ type: 'g9-huge' }, { type: exampleType, hostname: '-' }])
    expect((wrong.body.error.details as { field: string }[]).map(({ field }) => field)).toEqual([
      ...['instances[0].type', 'instances[1].hostname'],
    ])
    expect((await batch([])).status).toBe(400)
    expect(await count()).toBe(before)
  })

  it('does not give the same name or the same place twice within one batch', async () => {
    const before = await count()
    const twice = await batch([
      { type: exampleType, id: 'same' },
      { type: exampleType, id: 'same' },
    ])
    expect([twice.status, twice.body.error.details[0].field]).toEqual([409, 'instances[1].id'])
    expect(await count()).toBe(before)
  })
})
