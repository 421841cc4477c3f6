// What is advised to move, and why an instance is where it is: both for operators.
import { create } from '@bufbuild/protobuf'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { InstanceObservationSchema, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { projectId } from '../../../proto/ids.ts'
import { exampleType } from '../admission/context.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

const h100 = 'nvidia-h100-80gb'
const path = '/v1/regions/us-texas-1/capacity:advise'
let region: Region
let token = ''
beforeAll(async () => {
  region = await startRegion({ hosts: 2 })
  token = await region.issuer.tokenFor('operator')
  for (const id of ['a', 'b', 'c']) {
    const { status } = await region.call('POST', instancesPath, {
      body: { id, type: exampleType, gpus: [{ type: h100, count: 1 }] },
    })
    expect(status).toBe(202)
  }
})
afterAll(() => region.close())

const advise = (query: Readonly<Record<string, string>>) =>
  region.call('GET', `${path}?${new URLSearchParams({ zone: 'us1-a', gpuType: h100, ...query })}`, { token })
const placementOf = (id: string) => region.call('GET', `${instancesPath}/${id}/placement`, { token })

async function reportRunning(id: string): Promise<void> {
  const instance = await region.store.findInstance(projectId('project-x9y8z7'), id)
  if (instance === undefined) throw new Error(`There is no ${id}.`)
  const { uid, generation, hostId } = instance
  const observation = { uid, generation, epoch: 1, phase: InstancePhase.RUNNING }
  await region.store.applyObservation({
    ...{ hostId, nowMs: Date.now(), observation: create(InstanceObservationSchema, observation) },
  })
}

it('is asked with a zone, a type and a size that there are', async () => {
  expect((await region.call('GET', path, { token })).status).toBe(400)
  expect((await advise({ gpus: 'many' })).status).toBe(400)
  const elsewhere = await advise({ zone: 'us9-z', gpus: '2' })
  expect([elsewhere.status, elsewhere.body.error.details[0]]).toEqual([
    422,
    expect.objectContaining({ field: 'zone', message: expect.stringContaining('there is us1-a') as string }),
  ])
  expect((await advise({ gpuType: 'abacus', gpus: '2' })).body.error.details[0].field).toBe('gpuType')
  expect((await region.call('GET', `${path}?zone=us1-a&gpuType=${h100}&gpus=2`)).status).toBe(403)
})

it('says that it fits, what to move, or that nothing helps', async () => {
  const one = await advise({ gpus: '1' })
  expect(one.body).toMatchObject({ verdict: 'FITS', movedGpus: 0, moves: [] })
  // Three of four are taken.
  expect((await advise({ gpus: '2' })).body).toMatchObject({ verdict: 'NOTHING_HELPS', hostsConsidered: 0 })
  await region.remove('a')
  // One is free on each host; those that have the others are not at rest yet.
  expect((await advise({ gpus: '2' })).body.verdict).toBe('NOTHING_HELPS')
  await reportRunning('b')
  const { status, body } = await advise({ gpus: '2' })
  const [from, to] = await Promise.all(
    ['b', 'c'].map(async (id) => (await placementOf(id)).body.host as string),
  )
  expect([status, body]).toEqual([
    200,
    {
      ...{ verdict: 'MOVE', host: from, movedGpus: 1, hostsConsidered: expect.any(Number) as number },
      moves: [{ instance: `${instancesPath}/b`, gpus: 1, to }],
    },
  ])
})

it('tells operators alone where an instance is, and by which scores', async () => {
  const { status, body } = await placementOf('c')
  expect(status).toBe(200)
  const { uid } = (await region.call('GET', `${instancesPath}/c`)).body
  expect(body).toMatchObject({
    ...{ selfLink: `${instancesPath}/c/placement`, seed: uid, hostsConsidered: 2 },
    ...{ devices: [{ type: h100 }], asked: { zone: 'us1-a', gpus: [{ type: h100, count: 1 }] } },
  })
  expect(Object.keys(body.scores as object)).toContain('stranding')
  // Of when it was placed, not of now.
  expect(body.rules).toEqual([{ rule: 'gpu-count', hostsRefused: 1, hostsLeft: 1 }])
  expect((await region.call('GET', `${instancesPath}/c/placement`)).status).toBe(403)
  expect((await placementOf('nobody')).status).toBe(404)
})
