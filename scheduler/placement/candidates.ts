import type { Demand } from '../model/placement.ts'
import type { CountedHost } from './counted-host.ts'
import { bitOf } from './gpu-stock.ts'
import { ringEnd } from './host-tree.ts'
import { fits } from './pipeline.ts'
import type { Cell, Pool } from './pool.ts'
import { countBoth, emptyRoom, type Room } from './room.ts'
import { diskGbOf } from './rules/disk.ts'
import { scoreHost, scoreShape } from './score.ts'
import type { ZonePools } from './zone-pools.ts'

/**
 * How many cells are looked into, and at how many hosts of each, among so many on the ring. More find hardly anything
 * better: see docs/placement.md.
 */
const quick = { cells: 2, hosts: 6, among: 256 } as const
/** When hosts are empty, cells don't tell: it takes more looks to find those that suit. */
const thorough = { cells: 8, hosts: 16, among: 4096 } as const

/** The best host that was offered. Equals are told apart by how far the seed is from them on the ring, then by name. */
export class Best {
  readonly demand: Demand
  readonly from: number
  readonly #nowMs: number | undefined
  #score = 0
  #distance = 0
  host: CountedHost | undefined

  constructor(demand: Demand, from: number, nowMs: number | undefined) {
    this.demand = demand
    this.from = from
    this.#nowMs = nowMs
  }

  /** Whether it can have it, or another one that is better. */
  offer(host: CountedHost): boolean {
    const score = scoreHost(this.demand, host, this.#nowMs)
    const distance = (host.ring - this.from) >>> 0
    if (this.host !== undefined && !this.#isBetter(host, score, distance, this.host)) return true
    if (!fits(this.demand, host)) return false
    this.host = host
    this.#score = score
    this.#distance = distance
    return true
  }

  #isBetter(host: CountedHost, score: number, distance: number, best: CountedHost): boolean {
    if (score !== this.#score) return score > this.#score
    if (distance !== this.#distance) return distance < this.#distance
    return host.host.hostId < best.host.hostId
  }
}

/** Looks into the cells in the order of what they score on average, and at some hosts of each, from the seed on. */
export function searchPools(pools: ZonePools, best: Best): void {
  const effort = best.demand.expectedLifetimeS === undefined ? quick : thorough
  const need = needOf(best.demand)
  const ranked = rankCells(pools, best.demand, need)
  for (let fruitful = 0; fruitful < effort.cells && ranked.length > 0; ) {
    const cell = takeFirst(ranked)
    if (searchCell(cell, best, needIn(cell.pool, best.demand, need), effort)) fruitful += 1
  }
}

/** Whether a host fits. Near the seed the best of some is taken; where none of those fits, the first that does. */
function searchCell(
  cell: Cell,
  best: Best,
  need: Room,
  { hosts, among }: { readonly hosts: number; readonly among: number },
): boolean {
  const { from } = best
  const arc = Math.ceil((ringEnd + 1) * Math.min(1, among / cell.size))
  const enough = cell.isUniform ? 1 : hosts
  let met = 0
  let found = 0
  const offer = (host: CountedHost) => {
    met += 1
    if (best.offer(host)) found += 1
    return found < enough
  }
  if (arc > ringEnd) {
    cell.visit(from, (from - 1) >>> 0, need, offer)
  } else {
    cell.visit(from, (from + arc - 1) >>> 0, need, offer)
    if (found === 0)
      cell.visit((from + arc) >>> 0, (from - 1) >>> 0, need, (host) => offer(host) && found === 0)
  }
  if (met === 0) cell.rememberShortfall(need)
  return found > 0
}

function rankCells(pools: ZonePools, demand: Demand, need: Room): Cell[] {
  const ranked: Cell[] = []
  const [wish] = demand.gpus
  if (wish === undefined) {
    for (const pool of pools.all) rankWithin(pool, demand, need, ranked)
    return ranked
  }
  for (const pool of pools.of(wish.type)) rankWithin(pool, demand, need, ranked)
  for (const type of wish.alternatives ?? []) {
    for (const pool of pools.of(type)) rankWithin(pool, demand, need, ranked)
  }
  return ranked
}

function rankWithin(pool: Pool, demand: Demand, common: Room, ranked: Cell[]): void {
  if (!pool.mayTake(demand)) return
  const count = demand.gpus[0]?.count ?? 0
  const need = needIn(pool, demand, common)
  for (const cell of pool.cells) {
    if (pool.type !== undefined && cell.key < count) continue
    if (!cell.mayHave(need)) continue
    cell.score = scoreShape(demand, cell.mean)
    ranked.push(cell)
  }
}

/** Where NVSwitches join GPUs, a partition of as many has to be free. */
function needIn({ isPartitioned }: Pool, { gpus: [wish] }: Demand, need: Room): Room {
  return isPartitioned && wish !== undefined ? { ...need, freePartitions: bitOf(wish.count) } : need
}

/** The best of few: they are not worth sorting. */
function takeFirst(ranked: Cell[]): Cell {
  let at = 0
  let first = ranked[0] as Cell
  for (let index = 1; index < ranked.length; index += 1) {
    const one = ranked[index] as Cell
    if (!isAhead(one, first)) continue
    at = index
    first = one
  }
  ranked[at] = ranked.at(-1) as Cell
  ranked.pop()
  return first
}

function isAhead(a: Cell, b: Cell): boolean {
  if (a.score !== b.score) return a.score > b.score
  if (a.pool !== b.pool) return a.pool.key < b.pool.key
  return a.key < b.key
}

/** What a host must have free at the least: all of it can be told from bounds. */
function needOf(demand: Demand): Room {
  const need = emptyRoom()
  need.freeVcpus = demand.vcpus
  need.freeMemoryMib = demand.memoryMib
  countBoth(need)
  need.freeDiskGb = diskGbOf(demand)
  for (const { count, topology } of demand.gpus) {
    if (topology === 'same-numa') need.freeOnNode = Math.max(need.freeOnNode, count)
    if (topology === 'same-switch') need.freeBelowSwitch = Math.max(need.freeBelowSwitch, count)
  }
  if (demand.isolation === 'host') need.empty = 1
  return need
}
