import { expect, it } from 'vitest'
import { createFakeHost } from '../../../agent/host/fake/fake-host.ts'
import { parseShape } from '../../../agent/host/fake/shape.ts'
import { readHostFacts } from '../../../agent/inventory/host-facts.ts'
import { fixtureSettings } from './fixture-hosts.ts'

const readSimulated = async (shape: string) => {
  const host = createFakeHost({ name: 'sim-1', shape: parseShape(shape), bootId: 'boot', nowMs: () => 0 })
  await host.files.makeDirectory(fixtureSettings.stateDirectory)
  return { host, facts: await readHostFacts({ ...host, settings: fixtureSettings }) }
}

it('a simulated host with GPUs tells of them as a real one does', async () => {
  const { host, facts } = await readSimulated('8xnvidia-h100-80gb')
  expect(facts.devices).toHaveLength(8)
  expect(facts.devices[3]).toMatchObject({
    ...{ address: '0000:4b:00.0', numaNode: 0, iommuGroupOthers: [], resetMethods: ['flr', 'bus'] },
    bridges: ['0000:30:01.0', '0000:31:00.0', '0000:32:01.0'],
    link: { currentSpeed: '32.0 GT/s PCIe', currentLanes: 16, maximumLanes: 16 },
  })
  expect(facts.devices[3]?.bars.map(({ index, sizeBytes }) => [index, sizeBytes])).toEqual([
    ...[[0, 16n * 1024n ** 2n] as const, [2, 128n * 1024n ** 3n] as const, [4, 32n * 1024n ** 2n] as const],
  ])
  expect(facts.devices[2]?.bridges.slice(0, 2)).toEqual(facts.devices[3]?.bridges.slice(0, 2))
  const base = 'sys/bus/pci/devices/0000:4b:00.0'
  expect(await host.sysfs.readLink(`${base}/iommu_group`)).toBe('../../../../../../kernel/iommu_groups/43')
  expect(await host.sysfs.readLink(`${base}/driver`)).toBeUndefined()
  expect(await host.sysfs.readLink('sys/bus/pci/devices/0000:4c:00.0')).toBeUndefined()
})

it('a simulated host has its CPUs by core and cell', async () => {
  const gpus = await readSimulated('2xnvidia-l40s')
  expect(gpus.facts.cells.map(({ cores, memoryMib }) => [cores.length, cores[0]?.cpus, memoryMib])).toEqual([
    [48, [0, 96], 1_048_576n],
    [48, [48, 144], 1_048_576n],
  ])
  const { facts } = await readSimulated('')
  expect(facts.cells).toMatchObject([0, 1].map((numaNode) => ({ numaNode, memoryMib: 131_072n })))
  expect(facts.cells.map(({ cores }) => cores.length)).toEqual([16, 16])
  // One of 64 CPUs and a tenth of the memory are the host's own.
  expect(facts.cells.map((cell) => [cell.allocatableVcpus, cell.allocatableMemoryMib])).toEqual([
    [31, 117_964],
    [32, 117_965],
  ])
  expect(facts.devices).toEqual([])
})
