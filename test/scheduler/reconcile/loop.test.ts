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

  it('is never in its work twice; a nudge meanwhile means once more', async () => {
    let inside = 0
    let most = 0
    let runs = 0
    let letGo = () => {}
    const work = async () => {
      runs += 1
      inside += 1
      most = Math.max(most, inside)
      await new Promise<void>((resolve) => {
        letGo = resolve
      })
      inside -= 1
    }
    const loop = startLoop({ ...ports, intervalMs: 3_600_000, work })
    for (let nudge = 0; nudge < 5; nudge += 1) loop.nudge()
    expect(runs).toBe(1)
    letGo()
    await eventually('it runs once more', () => runs === 2)
    const stopped = loop.stop()
    letGo()
    await stopped
    expect({ runs, most }).toEqual({ runs: 2, most: 1 })
  })
})
