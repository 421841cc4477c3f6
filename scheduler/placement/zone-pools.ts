import type { CountedHost } from './counted-host.ts'
import { Pool, poolsOf } from './pool.ts'

const none: readonly Pool[] = []

/** The pools of a zone, and those with one type of GPU. */
export class ZonePools {
  readonly all: Pool[] = []
  readonly #byKey = new Map<string, Pool>()
  readonly #byType = new Map<string, Pool[]>()

  of(type: string): readonly Pool[] {
    return this.#byType.get(type) ?? none
  }

  /** Into which pools the host has come. */
  join(host: CountedHost): readonly Pool[] {
    const pools = poolsOf(host).map(({ key, type }) => this.#byKey.get(key) ?? this.#open(key, type, host))
    for (const pool of pools) pool.add(host)
    return pools
  }

  leave(host: CountedHost, pools: readonly Pool[]): void {
    for (const pool of pools) pool.remove(host)
    this.closeEmpty(pools)
  }

  closeEmpty(pools: readonly Pool[]): void {
    for (const pool of pools) if (pool.cells.length === 0) this.#close(pool)
  }

  #open(key: string, type: string | undefined, example: CountedHost): Pool {
    const pool = new Pool(key, type, example)
    this.#byKey.set(key, pool)
    this.all.push(pool)
    if (type !== undefined) this.#byType.set(type, [...this.of(type), pool])
    return pool
  }

  #close(pool: Pool): void {
    this.#byKey.delete(pool.key)
    this.all.splice(this.all.indexOf(pool), 1)
    if (pool.type === undefined) return
    const others = this.of(pool.type).filter((other) => other !== pool)
    if (others.length > 0) this.#byType.set(pool.type, others)
    else this.#byType.delete(pool.type)
  }
}
