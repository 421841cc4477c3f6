import type { Demand } from '../model/placement.ts'
import type { CountedHost, HostTraits } from './counted-host.ts'
import type { FreeShape } from './free-shape.ts'
import { HostTree, type Visit } from './host-tree.ts'
import { covers, type Room } from './room.ts'
import { architecture } from './rules/architecture.ts'
import { features } from './rules/features.ts'
import { uplink } from './rules/uplink.ts'
import { Shortfalls } from './shortfalls.ts'

/** Hosts of a pool with as many GPUs free. */
export class Cell {
  readonly pool: Pool
  readonly key: number
  /** For the demand at hand, by the average: a search's own note, so that it needs no objects for it. */
  score = 0.5
  readonly #tree = new HostTree()
  readonly #shortfalls = new Shortfalls()
  readonly #sum = { freeVcpus: 0, vcpus: 0, freeMemoryMib: 0, memoryMib: 0, freeGpus: 0, gpus: 0, empty: 0 }
  #mean: FreeShape | undefined

  constructor(pool: Pool, key: number) {
    this.pool = pool
    this.key = key
  }

  get size(): number {
    return this.#tree.size
  }

  /** False where it is certain that none of its hosts has the room. */
  mayHave(need: Room): boolean {
    return covers(this.#tree.room, need) && !this.#shortfalls.has(need)
  }

  /** What its hosts are on average. */
  get mean(): FreeShape {
    this.#mean ??= divide(this.#sum, this.size)
    return this.#mean
  }

  add(host: CountedHost): void {
    this.#tree.add(host)
    this.#shortfalls.forget(host)
    this.#count(host, 1)
  }

  remove(host: CountedHost): void {
    this.#tree.remove(host)
    this.#count(host, -1)
  }

  /** All of its hosts are empty, and of one size: none is a better choice than another. */
  get isUniform(): boolean {
    const { size } = this
    const { freeVcpus, freeMemoryMib } = this.#tree.room
    const { empty, freeVcpus: vcpus, freeMemoryMib: memoryMib } = this.#sum
    return empty === size && vcpus === freeVcpus * size && memoryMib === freeMemoryMib * size
  }

  /** Hosts that have the room, from one place on the ring to another. */
  visit(from: number, to: number, need: Room, visit: Visit): void {
    this.#tree.visit(from, to, need, visit)
  }

  /** A visit has met nobody. */
  rememberShortfall(need: Room): void {
    this.#shortfalls.add(need)
  }

  #count(host: CountedHost, sign: 1 | -1): void {
    const sum = this.#sum
    sum.freeVcpus += sign * host.freeVcpus
    sum.vcpus += sign * host.vcpus
    sum.freeMemoryMib += sign * host.freeMemoryMib
    sum.memoryMib += sign * host.memoryMib
    sum.freeGpus += sign * host.freeGpus
    sum.gpus += sign * host.gpus
    sum.empty += sign * host.empty
    this.#mean = undefined
  }
}

const divide = (sum: FreeShape, by: number): FreeShape => ({
  freeVcpus: sum.freeVcpus / by,
  vcpus: sum.vcpus / by,
  freeMemoryMib: sum.freeMemoryMib / by,
  memoryMib: sum.memoryMib / by,
  freeGpus: sum.freeGpus / by,
  gpus: sum.gpus / by,
})

/** What such hosts can do, no claim changes: a rule about it holds for all of a pool or for none. */
export const commonRules = [architecture, features, uplink] as const

/** Ready hosts of a zone that are alike in what doesn't change, by what is free of one type of GPU. */
export class Pool {
  readonly key: string
  /** Undefined of hosts without GPUs. */
  readonly type: string | undefined
  readonly isPartitioned: boolean
  readonly cells: Cell[] = []
  readonly #byKey = new Map<number, Cell>()
  readonly #example: CountedHost

  constructor(key: string, type: string | undefined, example: CountedHost) {
    this.key = key
    this.type = type
    this.isPartitioned = example.host.partitions !== undefined
    this.#example = example
  }

  mayTake(demand: Demand): boolean {
    for (const rule of commonRules) if (!rule.holds(demand, this.#example)) return false
    return true
  }

  add(host: CountedHost): void {
    this.#cellOf(cellKeyOf(host, this.type)).add(host)
  }

  remove(host: CountedHost): void {
    const cell = this.#cellOf(cellKeyOf(host, this.type))
    cell.remove(host)
    if (cell.size > 0) return
    this.#byKey.delete(cell.key)
    this.cells.splice(this.cells.indexOf(cell), 1)
  }

  #cellOf(key: number): Cell {
    const known = this.#byKey.get(key)
    if (known !== undefined) return known
    const cell = new Cell(this, key)
    this.#byKey.set(key, cell)
    this.cells.push(cell)
    return cell
  }
}

/** The GPUs that are free; without GPUs two steps for every doubling of the free vCPUs. */
function cellKeyOf(host: CountedHost, type: string | undefined): number {
  if (type !== undefined) return host.stockOf(type)?.free.length ?? 0
  return Math.floor(2 * Math.log2(Math.max(1, host.freeVcpus)))
}

/** Of which pools a host is: one for each type of its GPUs, or the one for those without. */
export function poolsOf(host: CountedHost): readonly { key: string; type: string | undefined }[] {
  const common = commonKeyOf(host.host)
  const types = host.stocks.map(({ type }) => type).toSorted()
  if (types.length === 0) return [{ key: common, type: undefined }]
  return types.map((type) => ({ key: `${common} ${type} of ${types.join()}`, type }))
}

/** Whether they are of the same pools. Most often even the values are the same, and then nothing has to be written out. */
export const isAlike = (
  { host: a, stocks }: CountedHost,
  { host: b, stocks: others }: CountedHost,
): boolean =>
  a.zone === b.zone &&
  (isSame(a, b) || commonKeyOf(a) === commonKeyOf(b)) &&
  stocks.length === others.length &&
  stocks.every(({ type }) => others.some((other) => other.type === type))

const isSame = (a: HostTraits, b: HostTraits): boolean =>
  a.architecture === b.architecture &&
  a.features === b.features &&
  a.uplinks === b.uplinks &&
  (a.partitions === undefined) === (b.partitions === undefined)

function commonKeyOf({ architecture: arch, features: able = [], uplinks = [], partitions }: HostTraits) {
  const networks = uplinks.map(({ physicalNetwork, mtu }) => `${physicalNetwork}:${mtu}`)
  return JSON.stringify([arch, able.toSorted(), networks.toSorted(), partitions !== undefined])
}
