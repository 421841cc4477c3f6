// What is SQLite's own: the thread, the shared flush, the file.
import { chmodSync, mkdtempSync, rmSync, statSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { silentLogger } from '../../../lib/log.ts'
import { openSqliteStore } from '../../../scheduler/store/sqlite/sqlite-store.ts'
import { StoreUnavailable } from '../../../scheduler/store/store.ts'
import {
  commit,
  hostOf,
  makeZones,
  placementOf,
  project,
  readHost,
  readOutbox,
} from '../../contract/store-values.ts'

let folder = ''
let path = ''
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-store-'))
  path = join(folder, 'scheduler.sqlite')
})
afterEach(() => rmSync(folder, { recursive: true }))

async function openStore({ flushDelayMs = 0, vcpus = 64 } = {}) {
  const store = await openSqliteStore({ path, log: silentLogger, flushDelayMs })
  await makeZones(store)
  await store.registerHost(hostOf({ vcpus }))
  return store
}

function runSql(sql: string): void {
  const database = new Database(path)
  database.exec(sql)
  database.close()
}

describe('on a disk that takes 20 ms for each flush', () => {
  it('calls made at once share flushes, and the event loop goes on turning', async () => {
    const store = await openStore({ flushDelayMs: 20 })
    const before = store.stats()
    let isDone = false
    let turns = 0
    const turn = () => {
      turns += 1
      if (!isDone) setImmediate(turn)
    }
    const commits = Array.from({ length: 60 }, (_, number) => store.commitPlacement(placementOf(number)))
    setImmediate(turn)
    const outcomes = await Promise.all(commits)
    isDone = true
    expect(outcomes.every(({ kind }) => kind === 'committed')).toBe(true)
    const { batches, calls } = store.stats()
    expect(calls - before.calls).toBe(60)
    expect(batches - before.batches).toBeLessThanOrEqual(3)
    // A loop that waits for the disk turns about once for each flush.
    expect(turns).toBeGreaterThan(30)
    await store.close()
  })
})

it('tells the callers of a batch what became of it a few in a turn of the event loop', async () => {
  const store = await openStore()
  const before = store.stats()
  const toldInTurns = [0]
  let isDone = false
  const turn = () => {
    toldInTurns.push(0)
    if (!isDone) setImmediate(turn)
  }
  setImmediate(turn)
  const note = () => {
    toldInTurns[toldInTurns.length - 1] = (toldInTurns.at(-1) ?? 0) + 1
  }
  await Promise.all(
    Array.from({ length: 60 }, (_, number) => store.commitPlacement(placementOf(number)).then(note)),
  )
  isDone = true
  expect(store.stats().batches - before.batches).toBe(1)
  // What begins with the message and goes on at the end of the turn may both be in one.
  expect(Math.max(...toldInTurns)).toBeLessThanOrEqual(32)
  await store.close()
})

describe('a commit that fails', () => {
  it('is told to every call of its batch, and to no other: what is on disk is what was answered', async () => {
    const store = await openStore()
    // A constraint that is checked only by COMMIT.
    runSql(`
      CREATE TABLE trap (missing TEXT REFERENCES hosts (host_id) DEFERRABLE INITIALLY DEFERRED);
      CREATE TRIGGER spring AFTER INSERT ON instances WHEN NEW.id = 'poison'
      BEGIN INSERT INTO trap VALUES ('nowhere'); END`)
    const poisoned = { ...placementOf(2), id: 'poison' }
    // Which of them share the poisoned one's batch depends on when the thread turns.
    const inputs = [placementOf(1), poisoned, placementOf(3), placementOf(5)]
    const outcomes = await Promise.allSettled(inputs.map((input) => store.commitPlacement(input)))
    expect(outcomes[1]).toMatchObject({ status: 'rejected', reason: expect.any(StoreUnavailable) as Error })
    await commit(store, placementOf(4))
    const answered = inputs.filter((_, index) => outcomes[index]?.status === 'fulfilled')
    const kept = (await store.listInstances({ project, limit: 9 })).map(({ id }) => id)
    expect(kept.toSorted()).toEqual([...answered.map(({ id }) => id), 'web-4'].toSorted())
    expect(await readHost(store)).toMatchObject({ vcpus: { used: kept.length } })
    expect((await readOutbox(store)).map(({ sequence }) => Number(sequence))).toEqual(
      kept.map((_, index) => index + 1),
    )
    await store.close()
  })

  it('leaves the store usable when the database has rolled back by itself', async () => {
    const store = await openStore()
    runSql(`
      CREATE TRIGGER full AFTER INSERT ON instances WHEN NEW.id = 'poison'
      BEGIN SELECT RAISE(ROLLBACK, 'database or disk is full'); END`)
    const poisoned = { ...placementOf(2), id: 'poison' }
    const batch = await Promise.allSettled(
      [placementOf(1), poisoned, placementOf(3)].map((input) => store.commitPlacement(input)),
    )
    expect(batch[1]?.status).toBe('rejected')
    await commit(store, placementOf(4))
    const kept = await store.listInstances({ project, limit: 9 })
    expect(kept).toHaveLength(1 + batch.filter(({ status }) => status === 'fulfilled').length)
    expect(await readHost(store)).toMatchObject({ vcpus: { used: kept.length } })
    await store.close()
  })
})

describe('the file', () => {
  it('is for its owner alone, also one that was not', async () => {
    const rights = () => ['', '-wal', '-shm'].map((ending) => statSync(`${path}${ending}`).mode & 0o777)
    const first = await openStore()
    expect(rights()).toEqual([0o600, 0o600, 0o600])
    await first.close()
    chmodSync(path, 0o644)
    const second = await openStore()
    expect(rights()).toEqual([0o600, 0o600, 0o600])
    await second.close()
  })

  it('has everything after it is closed and opened again', async () => {
    const first = await openStore()
    const made = await commit(first, placementOf(1))
    await first.close()
    const second = await openSqliteStore({ path, log: silentLogger })
    expect(await second.findInstance(project, made.uid)).toEqual(made)
    await second.close()
  })

  it('gets what was asked before the store was closed, and nothing after', async () => {
    const store = await openStore()
    const asked = Array.from({ length: 5 }, (_, number) => store.commitPlacement(placementOf(number)))
    await store.close()
    expect((await Promise.all(asked)).every(({ kind }) => kind === 'committed')).toBe(true)
    await expect(store.listInstances({ project, limit: 9 })).rejects.toThrow(StoreUnavailable)
    await store.close()
  })

  it('of a newer version is refused', async () => {
    await (await openStore()).close()
    runSql(`INSERT INTO kysely_migration VALUES ('9999-later', '2030-01-01T00:00:00Z')`)
    await expect(openSqliteStore({ path, log: silentLogger })).rejects.toThrow(StoreUnavailable)
  })

  it("that can't be opened is named", async () => {
    const missing = join(folder, 'missing', 'scheduler.sqlite')
    await expect(openSqliteStore({ path: missing, log: silentLogger })).rejects.toThrow(missing)
  })
})
