// The real scheduler as a program of its own, with an observer loaded into it that measures and changes nothing.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { closeSync, openSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { repositoryRoot } from '../../test/support/imports.ts'
import type { Observed } from './observer.ts'

export interface SchedulerProcess {
  readonly pid: number
  /** Since the last time, or since its start. */
  observe(): Promise<Observed>
  close(): Promise<void>
}

export async function startScheduler(options: {
  readonly program: string
  readonly args: readonly string[]
  readonly logPath: string
  /** Where to leave a profile of its processor time, if anywhere. */
  readonly profileDirectory?: string
}): Promise<SchedulerProcess> {
  const log = openSync(options.logPath, 'a')
  const profile =
    options.profileDirectory === undefined ? [] : ['--cpu-prof', `--cpu-prof-dir=${options.profileDirectory}`]
  const child = fork(join(repositoryRoot, options.program), [...options.args], {
    execArgv: [...profile, '--import', join(import.meta.dirname, 'observer.ts')],
    stdio: ['ignore', 'pipe', log, 'ipc'],
  })
  closeSync(log)
  const ended = once(child, 'exit')
  const failed = ended.then(() => {
    throw new Error(`The scheduler ended: ${readFileSync(options.logPath, 'utf8').slice(-2000)}`)
  })
  failed.catch(() => {})
  if (child.stdout === null) throw new Error('The scheduler has no standard output.')
  // It says one line: that it is ready.
  await Promise.race([once(child.stdout, 'data'), failed])
  return {
    pid: child.pid ?? 0,
    observe: () => Promise.race([ask(child), failed]),
    close: async () => {
      child.kill('SIGTERM')
      await ended
    },
  }
}

async function ask(child: ChildProcess): Promise<Observed> {
  child.send('observed')
  const [answer] = (await once(child, 'message')) as [Observed]
  return answer
}
