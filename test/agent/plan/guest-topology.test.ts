import { describe, expect, it } from 'vitest'
import { planTopology } from '../../../agent/plan/guest-topology.ts'
import type { HostHardware } from '../../../agent/plan/host-hardware.ts'
import { gpuAddresses, guestOfGpus, hgxHost } from './hgx-host.ts'

const topologyOf = (gpus: readonly number[], hardware: HostHardware, more: object = {}) =>
  planTopology(
    {
      ...{ vcpus: 44, memoryMib: 400 * 1024, cells: [], ...more },
      gpus: gpus.map((index) => ({ ...guestOfGpus(8).gpus[index] })) as never,
    },
    hardware,
  )

describe('where the GPUs of a guest are', () => {
  it('is told by root buses, one for each root complex of the host', () => {
    expect(topologyOf([0], hgxHost())).toEqual({ nodeIds: [0], rootBuses: [], gpuRootBuses: [0] })
    expect(topologyOf([0, 1], hgxHost())).toEqual({ nodeIds: [0], rootBuses: [], gpuRootBuses: [0, 0] })
    expect(topologyOf([6, 1, 7], hgxHost())).toEqual({
      nodeIds: [0, 1],
      rootBuses: [{ cell: 1 }, { cell: 0 }],
      gpuRootBuses: [1, 2, 1],
    })
  })

  it('is in all cells where those of its GPUs have too little room, and its GPU is still in one of them', () => {
    const both = { nodeIds: [0, 1], rootBuses: [{ cell: 1 }], gpuRootBuses: [1] }
    expect(topologyOf([7], hgxHost(), { memoryMib: 1500 * 1024 })).toEqual(both)
    expect(topologyOf([7], hgxHost(), { vcpus: 120 })).toEqual(both)
  })

  it('is in no cell where the guest can’t be divided, or is larger than the host', () => {
    expect(topologyOf([0, 7], hgxHost(), { vcpus: 45 }).nodeIds).toEqual([])
    expect(topologyOf([0, 7], hgxHost(), { memoryMib: 3000 * 1024 }).nodeIds).toEqual([])
  })

  it('is the one cell of a host whose kernel names none', () => {
    const host = hgxHost({ isNumaKnown: false })
    expect(topologyOf([0], { ...host, cells: host.cells.slice(0, 1) }).nodeIds).toEqual([0])
    expect(topologyOf([0], host).nodeIds).toEqual([])
  })

  it('is told by cells where there are more root complexes than bus numbers for them', () => {
    const addresses = Array.from(
      { length: 16 },
      (_, index) => `00${index.toString(16).padStart(2, '0')}:01:00.0`,
    )
    const devices = new Map(
      addresses.map((address, index) => [address, { numaNode: index % 2, bars: [], path: [] }]),
    )
    const spec = {
      vcpus: 16,
      memoryMib: 1024,
      cells: [],
      gpus: addresses.map((address) => ({ address })) as never,
    }
    const topology = planTopology(spec, { ...hgxHost(), devices })
    expect(topology.rootBuses).toEqual([{ cell: 0 }, { cell: 1 }])
    expect(topology.gpuRootBuses).toEqual(addresses.map((_, index) => 1 + (index % 2)))
  })

  it('is unknown of a device that the host does not know', () => {
    expect(topologyOf([0], { ...hgxHost(), devices: new Map() }).nodeIds).toEqual([])
    expect(gpuAddresses).toHaveLength(8)
  })
})
