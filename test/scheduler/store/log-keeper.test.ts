import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import Database from 'better-sqlite3'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { keepLogShort, type LogLength, nextMove } from '../../../scheduler/store/sqlite/log-keeper.ts'

describe('what is in the log', () => {
  it.each([
    ['is left there while it is little', 3999, 0, 'none'],
    ['goes beside the store’s thread', 4000, 0, 'beside'],
    ['stays once it is in the database', 20_000, 20_000, 'none'],
    ['goes beside also where the log is long', 20_000, 10_000, 'beside'],
    ['goes at once where little is left of a long log', 20_000, 19_500, 'now'],
    ['goes at once where it grows faster than it goes', 32_000, 4000, 'now'],
  ])('%s', (_, written, moved, move) => {
    expect(nextMove({ written, moved })).toBe(move)
  })
})

it('goes on where nothing can be moved, and tries again', async () => {
  const readLogLength = vi.fn((): LogLength => ({ written: 5000, moved: 0 }))
  const moveLog = vi.fn(() => {
    throw new Error('database or disk is full')
  })
  const keeper = keepLogShort(join(tmpdir(), 'berth-no-such-folder', 'a.sqlite'), { readLogLength, moveLog })
  keeper.look()
  // While one is at it, nobody looks.
  await vi.waitFor(() => {
    keeper.look()
    expect(readLogLength.mock.calls.length).toBeGreaterThan(1)
  }, 5000)
  await vi.waitFor(() => {
    readLogLength.mockReturnValue({ written: 32_000, moved: 0 })
    keeper.look()
    expect(moveLog).toHaveBeenCalled()
  }, 5000)
  await keeper.close()
})

describe('on a file', () => {
  let folder = ''
  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'berth-log-'))
  })
  afterEach(() => rmSync(folder, { recursive: true }))

  it('moves what was committed into the database while the writer goes on', async () => {
    const path = join(folder, 'a.sqlite')
    const database = new Database(path)
    database.pragma('journal_mode = WAL')
    database.pragma('wal_autocheckpoint = 0')
    database.exec('CREATE TABLE filler (bytes BLOB)')
    const fill = database.prepare('INSERT INTO filler VALUES (zeroblob(20000000))')
    const length = database.prepare('PRAGMA wal_checkpoint(NOOP)')
    const readLogLength = (): LogLength => {
      const { log: written, checkpointed: moved } = length.get() as { log: number; checkpointed: number }
      return { written, moved }
    }
    const moveLog = vi.fn()
    const keeper = keepLogShort(path, { readLogLength, moveLog })
    fill.run()
    const { written } = readLogLength()
    keeper.look()
    await vi.waitFor(() => expect(readLogLength().moved).toBe(written), 5000)
    fill.run()
    expect(readLogLength().written).toBeLessThanOrEqual(written)
    expect(moveLog).not.toHaveBeenCalled()
    await keeper.close()
    database.close()
  })
})
