// NUMA cells through placement and agent: where the one counts a guest the other runs it.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { parseShape } from '../../agent/host/fake/shape.ts'
import { parseCpuList } from '../../agent/inventory/cpu-cells.ts'
import type { InstanceRecord } from '../../scheduler/model/instance.ts'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

const shape = '8xnvidia-h100-80gb'
/** Of 192 CPUs on two cells, guests have 94 and 95. */
let region: SmallRegion
beforeAll(async () => {
  region = await startSmallRegion(shape)
})
afterAll(() => region.close())

const near = { type: 'g1-large', gpus: [{ type: 'nvidia-h100-80gb', count: 2, topology: 'same-numa' }] }

async function run(body: object): Promise<InstanceRecord> {
  const { uid } = await region.create(body)
  const running = await region.until(uid, (one) => one?.status === 'RUNNING')
  if (running === undefined) throw new Error(`${uid} is gone.`)
  return running
}

async function end(uid: string): Promise<void> {
  await region.delete(uid)
  await region.until(uid, (one) => one === undefined)
}

const nodesOf = async ({ spec }: InstanceRecord) => {
  const { devices } = await region.snapshot()
  return spec.gpus.map(({ address }) => devices.find((one) => one.address === address)?.numaNode)
}

const usedVcpus = async () => (await region.snapshot()).cells?.map(({ vcpus }) => vcpus.used)

/** Of the guest that was started last: its own threads', and of all others together. */
function cpusOfNewest(): readonly (readonly number[])[] {
  const guest = [...region.host.guests.values()].at(-1)
  return [...(guest?.affinity.values() ?? [])].map(parseCpuList)
}

const cellOfCpu = (cpu: number) => (cpu % 96 < 48 ? 0 : 1)
const cellsOf = (cpus: readonly (readonly number[])[]) => [...new Set(cpus.flat().map(cellOfCpu))]

it('hold GPUs, vCPUs and memory of a guest together, and refuse one that only part of fits', async () => {
  const first = await run(near)
  const [node = -1] = await nodesOf(first)
  expect(await nodesOf(first)).toEqual([node, node])
  expect(first.demand.cells).toEqual([{ numaNode: node, vcpus: 60, memoryMib: 1024 }])
  expect(cellsOf(cpusOfNewest().slice(1))).toEqual([node])
  const own = cpusOfNewest().slice(1).flat()
  expect(own).toHaveLength(60)

  const second = await run(near)
  expect(await nodesOf(second)).toEqual([1 - node, 1 - node])
  expect(await usedVcpus()).toEqual([60, 60])
  expect(await region.freeGpus()).toBe(4)
  await expect(region.create(near)).rejects.toThrow(
    /its NUMA cell \d has the GPUs but only 3[45] of the 60 vCPUs that are needed/,
  )

  const plain = await run({})
  const [share] = plain.demand.cells ?? []
  expect(share).toMatchObject({ vcpus: 1, memoryMib: 1024 })
  const cpus = cpusOfNewest()
  expect(cellsOf(cpus)).toEqual([share?.numaNode])
  if (share?.numaNode === node) expect(cpus.flat().filter((cpu) => own.includes(cpu))).toEqual([])
  for (const { uid } of [first, second, plain]) await end(uid)
  expect(await usedVcpus()).toEqual([0, 0])
})

it('give back what a stopped guest had, and are chosen anew for its next start', async () => {
  const first = await run(near)
  const [node = -1] = await nodesOf(first)
  await region.change('stop', first.uid)
  await region.until(first.uid, (one) => one?.holds === 'storage')
  expect(await usedVcpus()).toEqual([0, 0])
  await expect.poll(() => region.freeGpus()).toBe(8)

  const others = [await run(near), await run(near)]
  const [there] = others
  if (there === undefined) throw new Error('There are two.')
  await expect(region.change('start', first.uid)).rejects.toThrow(/POOL_CAPACITY_EXCEEDED/)
  const onNode = (await nodesOf(there))[0] === node ? others[1] : there
  if (onNode === undefined) throw new Error('There are two.')
  const [freed = -1] = await nodesOf(onNode)
  await end(onNode.uid)
  await region.change('start', first.uid)
  const again = await region.until(first.uid, (one) => one?.status === 'RUNNING')
  expect(again?.demand.cells).toEqual([{ numaNode: freed, vcpus: 60, memoryMib: 1024 }])
  expect(cellsOf(cpusOfNewest().slice(1))).toEqual([freed])
  for (const one of [first, ...others.filter((other) => other !== onNode)]) await end(one.uid)
})

it('count a guest where it is, where its cell has become too small for it, and say why', async () => {
  const { uid, hostPart } = await run(near)
  const [node = -1] = hostPart?.numaNodes ?? []
  expect(hostPart).toEqual({ numaNodes: [node], cpus: cpusOfNewest().slice(1).flat() })
  const restart = async () => {
    const before = (await region.find(uid))?.generation ?? 0
    await region.change('restart', uid)
    return region.until(uid, (one) => one?.status === 'RUNNING' && one.generation > before)
  }

  // Half of it has room in each cell.
  region.host.sysfs.resizeMemory(2 * 700)
  expect((await restart())?.hostPart).toEqual({
    ...{ numaNodes: [0, 1], cpus: cpusOfNewest().slice(1).flat() },
    drift: expect.stringContaining(`on NUMA node ${node}, and node ${node} is not there or too small`),
  })
  expect(cellsOf(cpusOfNewest().slice(1)).toSorted()).toEqual([0, 1])
  expect(await usedVcpus()).toEqual([30, 30])

  region.host.sysfs.resizeMemory(parseShape(shape).memoryMib)
  const back = (await restart())?.hostPart
  expect(back).toEqual({ numaNodes: [node], cpus: cpusOfNewest().slice(1).flat() })
  expect(await usedVcpus()).toEqual(node === 0 ? [60, 0] : [0, 60])
  await end(uid)
  expect(await usedVcpus()).toEqual([0, 0])
})
