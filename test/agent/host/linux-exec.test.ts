import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it, vi } from 'vitest'
import { createLinuxExec } from '../../../agent/host/linux-exec.ts'
import { createLinuxSysfs } from '../../../agent/host/linux-sysfs.ts'

const exec = createLinuxExec({ maxConcurrent: 2 })
afterAll(() => exec.close())

const shell = (script: string, options = {}) => exec.run('sh', ['-c', script], options)

describe('a program', () => {
  it('gets its input and tells its output', async () => {
    expect(await shell('cat; echo oh >&2', { stdin: 'hello' })).toEqual({
      code: 0,
      stdout: 'hello',
      stderr: 'oh\n',
    })
  })

  it('gets arguments as they are, and nothing of the agent’s environment but what it needs', async () => {
    expect((await exec.run('printf', ['%s', '$HOME; `id`'])).stdout).toBe('$HOME; `id`')
    const names = (await exec.run('env', [])).stdout
      .split('\n')
      .flatMap((line) => line.split('=', 1))
      .filter(Boolean)
    expect(names.sort()).toEqual(['LC_ALL', 'PATH'])
  })

  it('may end with the codes that are fine, and with no other', async () => {
    expect((await shell('exit 3', { okCodes: [0, 3] })).code).toBe(3)
    await expect(shell('echo why >&2; exit 4', { okCodes: [0, 3] })).rejects.toMatchObject({
      kind: 'exit',
      code: 4,
      message: 'sh exited with 4: why',
    })
  })

  it('is ended at its deadline', async () => {
    await expect(exec.run('sleep', ['60'], { timeoutMs: 50 })).rejects.toMatchObject({ kind: 'timeout' })
  })

  it('is ended when nobody wants it any more', async () => {
    const reason = new Error('not wanted')
    const abort = new AbortController()
    const run = exec.run('sleep', ['60'], { signal: abort.signal })
    abort.abort(reason)
    await expect(run).rejects.toBe(reason)
    await expect(exec.run('true', [], { signal: abort.signal })).rejects.toBe(reason)
  })

  it('that is missing or killed says so', async () => {
    await expect(exec.run('no-such-program', [])).rejects.toMatchObject({ kind: 'not-found' })
    await expect(shell('kill -9 $$')).rejects.toMatchObject({ kind: 'signal' })
  })
})

it('runs no more at once than it may', async () => {
  const starts = await Promise.all(
    Array.from({ length: 6 }, () =>
      shell('cut -d" " -f1 /proc/uptime; sleep 0.2; cut -d" " -f1 /proc/uptime'),
    ),
  )
  const spans = starts.map(({ stdout }) => stdout.trim().split('\n').map(Number))
  for (const [start = 0] of spans) {
    const under = spans.filter(([from = 0, to = 0]) => from <= start && start < to)
    expect(under.length).toBeLessThanOrEqual(2)
  }
})

it('waits for no write to a device, however many hang', async () => {
  const own = createLinuxExec({ maxConcurrent: 2 })
  const root = await mkdtemp(join(tmpdir(), 'berth-sysfs-'))
  // A pipe without a reader takes nothing.
  await own.run('mkfifo', [join(root, 'unbind')])
  const sysfs = createLinuxSysfs({ exec: own, root })
  let ended = 0
  const count = () => {
    ended += 1
  }
  const writes = Array.from({ length: 10 }, () => sysfs.write('unbind', '1').then(count, count))
  await expect.poll(async () => (await own.run('pgrep', ['-fc', `^tee ${root}`])).stdout).toBe('8\n')
  expect(ended).toBe(0)
  await own.close()
  await Promise.all(writes)
  await rm(root, { recursive: true })
})

describe('a program that goes on telling', () => {
  const follow = (script: string) => {
    const told: string[] = []
    const stop = exec.follow('sh', ['-c', script], {
      onOutput: () => told.push('output'),
      onEnd: (how) => told.push(how),
    })
    return { told, stop }
  }

  it('is heard as often as it tells, until it ends by itself', async () => {
    const { told } = follow('echo one; sleep 0.1; echo two; exit 3')
    await vi.waitFor(() => expect(told).toEqual(['output', 'output', 'exit 3']), 5000)
  })

  it('is ended when it is stopped, and heard no more', async () => {
    const { told, stop } = follow('echo $$; exec sleep 60')
    await vi.waitFor(() => expect(told).toEqual(['output']), 5000)
    stop()
    await new Promise((resolve) => setTimeout(resolve, 100))
    expect(told).toEqual(['output'])
  })

  it('that is missing says so', async () => {
    const ended = Promise.withResolvers<string>()
    exec.follow('no-such-program', [], { onOutput: () => {}, onEnd: ended.resolve })
    expect(await ended.promise).toContain('exit')
  })
})
