// NUMA cells as operators see them: of a host, and of an instance on it.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { exampleHost, instancesPath, projectPath, type Region, startRegion } from './region.ts'

const gpu = 'nvidia-h100-80gb'
const hostPath = '/v1/regions/us-texas-1/hosts/host-1'
let region: Region
let token: string

beforeEach(async () => {
  region = await startRegion({ hosts: 0 })
  token = await region.issuer.tokenFor('operator')
  const cells = [0, 1].map((numaNode) => ({ numaNode, vcpus: 8, memoryMib: 65_536 }))
  await region.store.registerHost({ ...exampleHost(1), cells })
})
afterEach(() => region.close())

const create = async (body: object) => {
  const asked = { type: 'g1-xlarge', gpus: [{ type: gpu, count: 1 }], ...body }
  expect((await region.call('POST', instancesPath, { body: asked })).status).toBe(202)
}
const cellsOf = async (id: string) =>
  (await region.call('GET', `${instancesPath}/${id}/placement`, { token })).body.cells as object[]
const cellsOfHost = async () => (await region.call('GET', hostPath, { token })).body.cells as object[]
// Its zone makes four vCPUs of each CPU.
const used = (vcpus: number, memoryMib: number, numaNode: number) => ({
  ...{ numaNode, vcpus: { capacity: 32, used: vcpus } },
  memoryMib: { capacity: 65_536, used: memoryMib },
})

it('are told with what is used, and with each instance', async () => {
  expect(await cellsOfHost()).toEqual([used(0, 0, 0), used(0, 0, 1)])
  await create({ id: 'near', gpus: [{ type: gpu, count: 1, topology: 'same-numa' }] })
  await create({ id: 'plain', gpus: [] })
  // Both GPUs are on cell 0.
  expect(await cellsOf('near')).toEqual([{ numaNode: 0, vcpus: 4, memoryMib: 8192 }])
  expect(await cellsOf('plain')).toEqual([{ numaNode: 1, vcpus: 4, memoryMib: 8192 }])
  expect(await cellsOfHost()).toEqual([used(4, 8192, 0), used(4, 8192, 1)])
  await region.remove('near')
  expect(await cellsOfHost()).toEqual([used(0, 0, 0), used(4, 8192, 1)])
})

it('are shown with where the guest is by the word of its host, and why it is not where it was to be', async () => {
  const placementOf = async () =>
    (await region.call('GET', `${instancesPath}/near/placement`, { token })).body as object
  await create({ id: 'near', gpus: [{ type: gpu, count: 1, topology: 'same-numa' }] })
  expect(await placementOf()).not.toHaveProperty('onHost')
  const chosen = { numaNode: 0, vcpus: 4, memoryMib: 8192 }
  await region.run('near', { numaNodes: [0], cpus: [8, 2, 3, 1] })
  expect(await placementOf()).toMatchObject({ onHost: { numaNodes: [0], ownCpus: '1-3,8' } })
  const drift = 'Node 0 is too small.'
  await region.run('near', { numaNodes: [1], drift })
  expect(await placementOf()).toMatchObject({
    cells: [{ ...chosen, numaNode: 1 }],
    onHost: { numaNodes: [1], drift: { chosenCells: [chosen], message: drift } },
  })
  expect(await cellsOfHost()).toEqual([used(0, 0, 0), used(4, 8192, 1)])
  const operatorsAlone = await region.call('GET', `${instancesPath}/near`)
  expect(JSON.stringify(operatorsAlone.body)).not.toContain(drift)
})

it('keep the room of a reservation for who comes into it', async () => {
  const body = { id: 'nightly', type: 'g1-xlarge', count: 1, gpus: { type: gpu, count: 1 } }
  await region.call('POST', `${projectPath}/compute/reservations`, { body })
  const kept = [used(4, 8192, 0), used(0, 0, 1)]
  expect(await cellsOfHost()).toEqual(kept)
  await create({ id: 'a', reservation: 'nightly' })
  expect(await cellsOf('a')).toEqual([{ numaNode: 0, vcpus: 4, memoryMib: 8192 }])
  expect(await cellsOfHost()).toEqual(kept)
})

it('are empty of a host that is one', async () => {
  await region.store.registerHost(exampleHost(1))
  await create({ id: 'a' })
  expect([await cellsOfHost(), await cellsOf('a')]).toEqual([[], []])
})
