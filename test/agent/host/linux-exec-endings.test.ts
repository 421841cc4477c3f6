import { afterAll, expect, it } from 'vitest'
import { createLinuxExec } from '../../../agent/host/linux-exec.ts'
import { createLinuxProcesses } from '../../../agent/host/linux-processes.ts'
import { systemClock } from '../../../lib/clock.ts'

const exec = createLinuxExec({ maxOutputBytes: 1000 })
const processes = createLinuxProcesses({ clock: systemClock })
afterAll(() => exec.close())

async function hasEnded(pid: string): Promise<boolean> {
  const identity = await processes.identify(Number(pid))
  return identity === undefined || (await processes.waitGone(identity, 5000))
}

it('does not wait for a daemon that a program leaves behind with its output open', async () => {
  const { stdout } = await exec.run('sh', ['-c', 'sleep 600 & echo $!'])
  const daemon = await processes.identify(Number(stdout))
  expect(daemon).toBeDefined()
  if (daemon) await processes.signal(daemon, 'SIGKILL')
})

it('ends a program’s children with it at the deadline', async () => {
  const run = exec.run('sh', ['-c', 'sleep 600 & echo $! >&2; wait'], { timeoutMs: 500 })
  const failure = await run.catch((thrown: unknown) => thrown as { kind: string; stderr: string })
  expect(failure).toMatchObject({ kind: 'timeout', stderr: expect.stringMatching(/^\d+$/m) })
  expect(await hasEnded(failure.stderr.trim())).toBe(true)
})

it('ends a program that says more than is read', async () => {
  await expect(exec.run('yes', [])).rejects.toMatchObject({ kind: 'signal' })
})

it('tells who starts a program with a log in no directory, and goes on', async () => {
  const started = exec.start('true', [], { logPath: '/nowhere/at/all.log' })
  await expect(started).rejects.toMatchObject({ name: 'ExecError' })
  expect((await exec.run('echo', ['on'])).stdout).toBe('on\n')
})

it('leaves nobody waiting when it is closed, neither for what runs nor for what waits its turn', async () => {
  const narrow = createLinuxExec({ maxConcurrent: 1 })
  const runs = Promise.allSettled([narrow.run('sleep', ['600']), narrow.run('sleep', ['600'])])
  await narrow.close()
  expect((await runs).map(({ status }) => status)).toEqual(['rejected', 'rejected'])
})

it('tells who waits that the process that starts programs has ended, and has another for the next', async () => {
  const waits = exec.run('sleep', ['600'])
  const ends = exec.run('sh', ['-c', 'kill -9 $PPID; sleep 600'])
  const message = expect.stringContaining('process that starts programs has ended: SIGKILL')
  await expect(ends).rejects.toMatchObject({ name: 'ExecError', message })
  await expect(waits).rejects.toMatchObject({ name: 'ExecError', message })
  expect((await exec.run('echo', ['on'])).stdout).toBe('on\n')
})
