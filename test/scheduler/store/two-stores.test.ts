// Two schedulers on one database: whatever one of them has in memory, a device goes to one instance.
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../lib/log.ts'
import type { StoredCapacity } from '../../../scheduler/store/host-store.ts'
import { openSqliteStore, type SqliteStore } from '../../../scheduler/store/sqlite/sqlite-store.ts'
import { gpus, hostOf, makeZones, placementOf, readHost, readOutbox } from '../../contract/store-values.ts'

let folder = ''
let stores: readonly SqliteStore[] = []
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'berth-two-stores-'))
  const path = join(folder, 'scheduler.sqlite')
  const first = await openSqliteStore({ path, log: silentLogger })
  stores = [first, await openSqliteStore({ path, log: silentLogger })]
  await makeZones(first)
  await first.registerHost(hostOf({ vcpus: 12, devices: devices.map(deviceOf) }))
})
afterEach(async () => {
  await Promise.all(stores.map((store) => store.close()))
  rmSync(folder, { recursive: true })
})

const devices = gpus(16)
const deviceOf = (address: (typeof devices)[number]) => ({ address, pciId: '10de:2330', numaNode: 0 })

describe('two stores on one database', () => {
  it('never give a device or a CPU twice, and tell each loser what was taken', async () => {
    const outcomes = await Promise.all(
      devices.flatMap((address, index) =>
        stores.map((store, turn) =>
          store.commitPlacement(placementOf(index * 2 + turn, { devices: [address] })),
        ),
      ),
    )
    const won = outcomes.flatMap((outcome) => (outcome.kind === 'committed' ? outcome.instance.uid : []))
    const [store] = stores
    if (store === undefined) throw new Error('No store was opened.')
    const host = await readHost(store)
    const owners = host.devices.flatMap(({ claimedBy }) => claimedBy ?? [])
    expect(owners.toSorted()).toEqual(won.toSorted())
    expect(new Set(owners).size).toBe(12)
    expect(host.vcpus).toEqual({ capacity: 12, used: 12 })
    const lost = outcomes.filter(({ kind }) => kind !== 'committed')
    expect(lost).toHaveLength(20)
    for (const outcome of lost) {
      expect(outcome).toMatchObject({
        kind: 'claim-lost',
        message: expect.stringMatching(/is taken$|CPUs are taken$/) as string,
      })
    }
    expect((await readOutbox(store)).map(({ sequence }) => Number(sequence))).toEqual(
      Array.from({ length: 12 }, (_, index) => index + 1),
    )
  })

  it('tell who lost a race what the other has claimed, with the outcome', async () => {
    const [here, there] = stores
    const news: StoredCapacity[] = []
    here?.onHostsChanged((hosts) => news.push(...hosts))
    await there?.commitPlacement(placementOf(1, { devices: devices.slice(0, 2) }))
    const outcome = await here?.commitPlacement(placementOf(2, { devices: devices.slice(1, 3) }))
    expect(outcome).toMatchObject({ kind: 'claim-lost', what: 'device' })
    const [host] = news.slice(-1)
    expect(host?.devices.filter(({ claimedBy }) => claimedBy !== undefined)).toHaveLength(2)
  })
})
