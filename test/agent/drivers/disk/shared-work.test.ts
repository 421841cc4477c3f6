import { describe, expect, it } from 'vitest'
import { SharedWork } from '../../../../agent/drivers/disk/shared-work.ts'
import type { DownloadProgress } from '../../../../agent/host/ports.ts'

/** Work that ends when told, and like a download when it is aborted. */
function controllableWork() {
  const runs: {
    signal: AbortSignal
    progress: (at: DownloadProgress) => void
    finish: (value: string) => void
    fail: (error: Error) => void
  }[] = []
  const work = (signal: AbortSignal, progress: (at: DownloadProgress) => void) =>
    new Promise<string>((finish, fail) => {
      runs.push({ signal, progress, finish, fail })
    })
  return { runs, work }
}

const turn = () => new Promise((resolve) => setImmediate(resolve))

describe('work that several wait for', () => {
  it('is done once, and all get its result and progress', async () => {
    const shared = new SharedWork<string>()
    const { runs, work } = controllableWork()
    const seen: string[] = []
    const onProgress = (name: string) => (at: DownloadProgress) => seen.push(`${name} ${at.doneBytes}`)
    const first = shared.join('k', { onProgress: onProgress('first') }, work)
    await turn()
    runs[0]?.progress({ doneBytes: 1, totalBytes: 2 })
    const second = shared.join('k', { onProgress: onProgress('second') }, work)
    await turn()
    runs[0]?.progress({ doneBytes: 2, totalBytes: 2 })
    runs[0]?.finish('done')
    expect(await Promise.all([first, second])).toEqual(['done', 'done'])
    expect(seen).toEqual(['first 1', 'second 1', 'first 2', 'second 2'])
    expect(runs.length).toBe(1)
  })

  it('goes on for the others when one gives up', async () => {
    const shared = new SharedWork<string>()
    const { runs, work } = controllableWork()
    const leaving = new AbortController()
    const first = shared.join('k', { signal: leaving.signal }, work)
    const second = shared.join('k', {}, work)
    await turn()
    leaving.abort(new Error('not needed'))
    await expect(first).rejects.toThrow('not needed')
    expect(runs[0]?.signal.aborted).toBe(false)
    runs[0]?.finish('done')
    expect(await second).toBe('done')
  })

  it('is aborted when all give up; who comes next starts after it has ended', async () => {
    const shared = new SharedWork<string>()
    const { runs, work } = controllableWork()
    const leaving = new AbortController()
    const first = shared.join('k', { signal: leaving.signal }, work)
    await turn()
    leaving.abort(new Error('not needed'))
    await expect(first).rejects.toThrow('not needed')
    expect(runs[0]?.signal.aborted).toBe(true)
    const late = shared.join('k', {}, work)
    await turn()
    expect(runs.length).toBe(1)
    runs[0]?.fail(new Error('aborted'))
    await turn()
    runs[1]?.finish('fresh')
    expect(await late).toBe('fresh')
  })

  it('that failed is tried anew by the next', async () => {
    const shared = new SharedWork<string>()
    const { runs, work } = controllableWork()
    const first = shared.join('k', {}, work)
    await turn()
    runs[0]?.fail(new Error('no'))
    await expect(first).rejects.toThrow('no')
    const second = shared.join('k', {}, work)
    await turn()
    runs[1]?.finish('yes')
    expect(await second).toBe('yes')
  })
})
