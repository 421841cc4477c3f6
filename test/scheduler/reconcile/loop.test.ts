import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { startLoop } from '../../../scheduler/reconcile/loop.ts'
import { eventually } from '../stream/eventually.ts'

const ports = { name: 'test', clock: systemClock, log: silentLogger }

describe('a loop', () => {
  it('runs on its own and goes on after a failure', async () => {
    let runs = 0
    const work = async () => {
      runs += 1
      throw new Error('no luck')
    }
    const loop = startLoop({ ...ports, intervalMs: 2, work })
    await eventually('it has run three times', () => runs >= 3)
    await loop.stop()
  })

  it('is never in its work twice, and its end waits for the work', async () => {
    let inside = 0
    let most = 0
    let runs = 0
    const work = async () => {
      runs += 1
      inside += 1
      most = Math.max(most, inside)
      await systemClock.sleep(10)
      inside -= 1
    }
    const loop = startLoop({ ...ports, intervalMs: 2, work })
    await eventually('it has run twice', () => runs >= 2)
    await loop.stop()
    expect({ most, inside }).toEqual({ most: 1, inside: 0 })
    const before = runs
    await systemClock.sleep(10)
    expect(runs).toBe(before)
  })
})
