import { type ChildProcess, spawn } from 'node:child_process'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLinuxProcesses } from '../../../agent/host/linux-processes.ts'
import { systemClock } from '../../../lib/clock.ts'

const processes = createLinuxProcesses({ clock: systemClock })
let child: ChildProcess

beforeEach(async () => {
  child = spawn('sleep', ['60'])
  await new Promise((resolve) => child.once('spawn', resolve))
})
afterEach(() => {
  child.kill('SIGKILL')
})

async function identity() {
  const found = await processes.identify(child.pid ?? 0)
  if (!found) throw new Error('The child is not there.')
  return found
}

it('knows a process until it is gone', async () => {
  const sleeper = await identity()
  expect(await processes.isAlive(sleeper)).toBe(true)
  expect(await processes.waitGone(sleeper, 30)).toBe(false)
  expect(await processes.signal(sleeper, 'SIGKILL')).toBe(true)
  expect(await processes.waitGone(sleeper, 10_000)).toBe(true)
  expect(await processes.signal(sleeper, 'SIGKILL')).toBe(false)
  expect(await processes.identify(sleeper.pid)).toBeUndefined()
})

it('never signals another process that has the number', async () => {
  const sleeper = await identity()
  const before = { ...sleeper, startTimeTicks: sleeper.startTimeTicks - 1n }
  expect(await processes.isAlive(before)).toBe(false)
  expect(await processes.signal(before, 'SIGKILL')).toBe(false)
  expect(await processes.isAlive(sleeper)).toBe(true)
})

it('knows this boot', async () => {
  expect(await processes.bootId()).toMatch(/^[0-9a-f]{8}-[0-9a-f-]{27}$/)
})
