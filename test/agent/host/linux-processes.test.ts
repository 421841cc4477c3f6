import { type ChildProcess, spawn } from 'node:child_process'
import { readFile } from 'node:fs/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLinuxProcesses } from '../../../agent/host/linux-processes.ts'
import { systemClock } from '../../../lib/clock.ts'
import { describeNeeding } from '../../support/needs.ts'

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

/** As QEMU is while the kernel takes its memory back. */
describeNeeding({ programs: ['python3'] }, 'a process whose first thread is over', () => {
  it('is there until its last one is', async () => {
    const script = `
import ctypes, threading, time
threading.Thread(target=time.sleep, args=(60,)).start()
print('begun', flush=True)
ctypes.CDLL(None).syscall(60, 0)`
    const threads = spawn('python3', ['-c', script], { stdio: ['ignore', 'pipe', 'ignore'] })
    await new Promise((resolve) => threads.stdout.once('data', resolve))
    const { pid = 0 } = threads
    await expect.poll(() => readFile(`/proc/${pid}/stat`, 'utf8')).toContain(') Z ')
    const found = await processes.identify(pid)
    if (!found) throw new Error('It is taken for dead.')
    expect(await processes.waitGone(found, 30)).toBe(false)
    expect(await processes.signal(found, 'SIGKILL')).toBe(true)
    expect(await processes.waitGone(found, 10_000)).toBe(true)
  })
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
