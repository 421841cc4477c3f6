import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { divideGuest } from '../../../proto/cell-shares.ts'
import { hostId } from '../../../proto/ids.ts'
import { findFullCell, inCells } from '../../../scheduler/model/numa-cells.ts'
import type { CellShare, Demand, HostSnapshot, NumaCell } from '../../../scheduler/model/placement.ts'
import { chooseCells } from '../../../scheduler/placement/choose-cells.ts'
import { CountedHost } from '../../../scheduler/placement/counted-host.ts'
import {
  couldEverBeTogether,
  type Gang,
  indexOf,
  place,
  placeTogether,
} from '../../../scheduler/placement/index.ts'
import { withClaim } from './claims.ts'
import { devicesOf, exampleDemand, exampleHost } from './fleets.ts'
import { choices } from './oracle.ts'

/** By node, what is free of 32 vCPUs and 32 GiB each. */
const cellsWith = (...free: readonly (readonly [vcpus: number, gib: number])[]): readonly NumaCell[] =>
  free.map(([vcpus, gib], numaNode) => ({
    numaNode,
    vcpus: { capacity: 32, used: 32 - vcpus },
    memoryMib: { capacity: 32 * 1024, used: (32 - gib) * 1024 },
  }))

const guest = (vcpus: number, gib: number, ...gpus: Demand['gpus']): Demand => ({
  ...exampleDemand,
  ...{ vcpus, memoryMib: gib * 1024, gpus },
})

const near = (count: number) => ({ type: 'h100', count, topology: 'same-numa' }) as const
const anyhow = (count: number) => ({ type: 'h100', count }) as const

const eightGpus = devicesOf('h100@0 h100@0 h100@0 h100@0 h100@1 h100@1 h100@1 h100@1')

function placed(demand: Demand, host: HostSnapshot) {
  const verdict = place(demand, [host], 'seed')
  if (verdict.kind !== 'placed') throw new Error(verdict.message)
  const nodes = verdict.devices.map(
    ({ address }) => host.devices.find((one) => one.address === address)?.numaNode,
  )
  return { nodes, cells: verdict.cells, scores: verdict.explanation.scores }
}

describe('a guest with GPUs on a host of two cells', () => {
  it('has vCPUs, memory and GPUs in one where they fit, although another one has fewer GPUs to spare', () => {
    const devices = devicesOf('h100@0 h100@0 h100@1 h100@1 h100@1')
    const host = exampleHost('h', { devices, cells: cellsWith([4, 32], [32, 32]) })
    expect(placed(guest(16, 8, anyhow(2)), host)).toMatchObject({
      nodes: [1, 1],
      cells: [{ numaNode: 1, vcpus: 16, memoryMib: 8192 }],
    })
    expect(placed(guest(4, 8, anyhow(2)), host).nodes).toEqual([0, 0])
  })

  it('is refused where it is to be near and only others have room, with how far off it is', () => {
    const host = exampleHost('h', {
      devices: devicesOf('h100@0* h100@0* h100@1 h100@1'),
      cells: cellsWith([32, 32], [6, 2]),
    })
    const verdict = place(guest(16, 2, near(2)), [host], 'seed')
    expect(verdict.kind).toBe('not-now')
    expect(verdict.explanation.refusals[0]).toMatchObject({
      rule: 'numa-cell',
      message: 'its NUMA cell 1 has the GPUs but only 6 of the 16 vCPUs that are needed',
    })
    expect(place(guest(6, 4, near(2)), [host], 'seed').explanation.refusals[0]?.message).toBe(
      'its NUMA cell 1 has the GPUs but only 2048 of the 4096 MiB of memory that are needed',
    )
    expect(placed(guest(6, 2, near(2)), host).cells).toEqual([{ numaNode: 1, vcpus: 6, memoryMib: 2048 }])
  })

  it('is somewhere near where it did not ask for more, and the host is the second choice', () => {
    const devices = devicesOf('h100@0* h100@0* h100@1 h100@1')
    const host = exampleHost('h', { devices, cells: cellsWith([32, 32], [6, 2]) })
    const { cells, scores } = placed(guest(16, 2, anyhow(2)), host)
    expect(cells).toEqual([{ numaNode: 0, vcpus: 16, memoryMib: 2048 }])
    expect(scores).toMatchObject({ 'cell-fit': -0.1 })
    const other = exampleHost('other', { devices, cells: cellsWith([6, 2], [32, 32]) })
    expect(place(guest(16, 2, anyhow(2)), [host, other], 'seed')).toMatchObject({ hostId: 'other' })
  })

  it('is larger than a cell in all of them, near or not', () => {
    const host = exampleHost('h', { devices: eightGpus, cells: cellsWith([32, 32], [32, 32]) })
    const both = [0, 1].map((numaNode) => ({ numaNode, vcpus: 20, memoryMib: 4096 }))
    expect(placed(guest(40, 8, near(2)), host)).toMatchObject({ nodes: [0, 0], cells: both })
    expect(placed(guest(40, 8, anyhow(8)), host).cells).toEqual(both)
  })

  it('has GPUs below one switch, although other cells have more room', () => {
    const devices = devicesOf('h100@0 h100@0 h100@1 h100@1').map((device, index) => ({
      ...device,
      ...(index < 2 ? { switchId: 's' } : {}),
    }))
    const host = exampleHost('h', { devices, cells: cellsWith([1, 1], [32, 32]) })
    expect(placed(guest(16, 8, { ...anyhow(2), topology: 'same-switch' }), host).nodes).toEqual([0, 0])
  })

  it('gets the partition of a cell with room, where NVSwitches join GPUs', () => {
    const addresses = eightGpus.map(({ address }) => address)
    const partitions = [addresses.slice(0, 2), addresses.slice(4, 6)]
    const host = exampleHost('h', { devices: eightGpus, partitions, cells: cellsWith([4, 32], [32, 32]) })
    expect(placed(guest(16, 8, anyhow(2)), host).nodes).toEqual([1, 1])
    expect(placed(guest(16, 8, near(2)), host).nodes).toEqual([1, 1])
    const full = { ...host, cells: cellsWith([4, 32], [4, 32]) }
    expect(place(guest(16, 8, near(2)), [full], 'seed').explanation.refusals[0]?.rule).toBe('numa-cell')
  })
})

describe('a guest without GPUs on a host of two cells', () => {
  it('is in one, away from free GPUs, and in the fuller one of two alike', () => {
    const devices = devicesOf('h100@0 h100@1*')
    const host = exampleHost('h', { devices, cells: cellsWith([8, 32], [32, 32]) })
    expect(placed(guest(8, 2), host).cells).toMatchObject([{ numaNode: 1, vcpus: 8 }])
    expect(placed(guest(8, 2), { ...host, devices: [] }).cells).toMatchObject([{ numaNode: 0, vcpus: 8 }])
  })

  it('is counted wherever something is left where it can’t be divided', () => {
    const host = exampleHost('h', { cells: cellsWith([8, 4], [9, 1]) })
    expect(placed(guest(17, 5), host).cells).toEqual([
      { numaNode: 0, vcpus: 8, memoryMib: 4096 },
      { numaNode: 1, vcpus: 9, memoryMib: 1024 },
    ])
  })

  it('says nothing of cells that nobody knows', () => {
    expect(placed(guest(8, 2), exampleHost('h')).cells).toBeUndefined()
  })
})

describe('what a claim takes of cells', () => {
  const host = exampleHost('h', { cells: cellsWith([32, 32], [32, 32]) })

  it('is there again when it is released, and not for others before', () => {
    const index = indexOf([host])
    const demand = inCells(guest(20, 20), [{ numaNode: 1, vcpus: 20, memoryMib: 20_480 }])
    index.claim(host.hostId, { uid: 'a', demand, devices: [] })
    expect(index.host(host.hostId)?.cells).toEqual(cellsWith([32, 32], [12, 12]))
    expect(index.decide(guest(20, 20), 'seed')?.cells).toMatchObject([{ numaNode: 0 }])
    index.release(host.hostId, { uid: 'a', demand, devices: [] })
    expect(index.host(host.hostId)?.cells).toEqual(host.cells)
  })
})

const amount = fc.integer({ min: 0, max: 12 })
const fewCells = fc.array(fc.tuple(amount, amount), { minLength: 2, maxLength: 4 })

describe('the choice of cells, over any host', () => {
  it('takes as few even parts as there is room for, those near the GPUs if they can be among them', () => {
    const kinds = new Map<string, number>()
    fc.assert(
      fc.property(
        fewCells,
        fc.integer({ min: 1, max: 16 }),
        fc.integer({ min: 1, max: 16 }),
        fc.subarray([0, 1, 2, 3]),
        (free, vcpus, gib, nodes) => {
          const cells = cellsWith(...free)
          const near = nodes.filter((node) => node < cells.length)
          const devices = near.length === 0 ? [] : devicesOf(near.map((node) => `h100@${node}`).join(' '))
          const host = new CountedHost(exampleHost('h', { cells, devices }))
          const demand = guest(vcpus, gib)
          const granted = devices.map(({ address }) => ({ type: 'h100', address }))
          const chosen = chooseCells(demand, granted, host) ?? []

          expect(findFullCell(cells, chosen)).toBeUndefined()
          const even = evenWays(demand, cells)
          const ways = even.filter((way) => near.every((node) => way.some((one) => one.numaNode === node)))
          const best = ways.length > 0 ? ways : even
          const fewest = best.filter(({ length }) => length === Math.min(...best.map((way) => way.length)))
          const kind = ways.length > 0 ? 'near' : even.length > 0 ? 'even' : 'spread'
          kinds.set(kind, (kinds.get(kind) ?? 0) + 1)
          if (even.length > 0) expect(fewest).toContainEqual(chosen)
          else expect(totalsOf(chosen)).toEqual(leastOf(totalsOf(demand), freeOf(cells)))
        },
      ),
      { numRuns: 3000 },
    )
    expect(Math.min(...['near', 'even', 'spread'].map((kind) => kinds.get(kind) ?? 0))).toBeGreaterThan(100)
  })
})

/** Every even division over some cells that all have room for their part. */
function evenWays(demand: Demand, cells: readonly NumaCell[]): readonly (readonly CellShare[])[] {
  return cells.flatMap((_, index) =>
    [...choices(cells, index + 1)].flatMap((some) => {
      const parts = divideGuest(demand, some.length)
      const way = parts?.map((part, at) => ({ numaNode: some[at]?.numaNode ?? -1, ...part }))
      // Each has room for any of the parts: the last may be a little larger.
      const largest = way?.map(({ numaNode }) => ({ numaNode, ...parts?.at(-1) }) as CellShare)
      return way === undefined || findFullCell(cells, largest ?? []) ? [] : [way]
    }),
  )
}

const totalsOf = (shares: Demand | readonly CellShare[]) => {
  const all = 'zone' in shares ? [shares] : shares
  const sumOf = (what: 'vcpus' | 'memoryMib') => all.reduce((sum, share) => sum + share[what], 0)
  return [sumOf('vcpus'), sumOf('memoryMib')]
}

const freeOf = (cells: readonly NumaCell[]) =>
  (['vcpus', 'memoryMib'] as const).map((what) =>
    cells.reduce((sum, cell) => sum + cell[what].capacity - cell[what].used, 0),
  )

const leastOf = (some: readonly number[], others: readonly number[]) =>
  some.map((one, index) => Math.min(one, others[index] ?? 0))

it('is told of a host that a claim has changed', () => {
  const host = exampleHost('h', { cells: cellsWith([32, 32], [32, 32]) })
  const demand = inCells(guest(1, 1), [{ numaNode: 0, vcpus: 1, memoryMib: 1024 }])
  expect(withClaim(host, { uid: 'a', demand, devices: [] }).cells).toEqual(cellsWith([31, 31], [32, 32]))
})

describe('a gang on one host of two cells', () => {
  const gang: Gang = {
    members: ['a', 'b'].map((uid) => ({ uid, demand: guest(20, 4, near(2)) })),
    place: ({ at, demand }, index) => index.place(demand, `seed-${at}`),
  }
  const wish = { key: 'rack', seed: 'seed' }
  const host = (cells: readonly NumaCell[]) =>
    exampleHost('h', { labels: { rack: 'r1' }, vcpus: { capacity: 64, used: 0 }, devices: eightGpus, cells })

  it('has each member in a cell that those before it have left', () => {
    const index = indexOf([host(cellsWith([32, 32], [32, 32]))])
    const outcome = placeTogether(gang, index, wish)
    const nodes = outcome.kind === 'placed' ? outcome.placed.map(({ cells = [] }) => cells[0]?.numaNode) : []
    expect(nodes.toSorted()).toEqual([0, 1])
    expect(index.host(hostId('h'))?.cells).toEqual(cellsWith([32, 32], [32, 32]))
  })

  it('could be there, whoever is in the cells now', () => {
    const index = indexOf([host(cellsWith([4, 32], [4, 32]))])
    expect(placeTogether(gang, index, wish).kind).toBe('scattered')
    expect(couldEverBeTogether(gang, index, wish)).toBe(true)
  })
})
