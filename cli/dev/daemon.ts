// A program of a region that runs in the background: started in a session of its own, so that Ctrl-C at the terminal
// does not reach it, and remembered in a file by pid and start time, so that a later command finds it and can't take
// another process for it.
import { spawn } from 'node:child_process'
import { closeSync, existsSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { join, resolve } from 'node:path'
import type { Clock } from '../../lib/clock.ts'
import type { DataDirectory } from './data-directory.ts'

/** In the order of starting; stopped in reverse. */
export const daemonNames = ['issuer', 'scheduler', 'agent', 'fleet'] as const
export type DaemonName = (typeof daemonNames)[number]

const repositoryRoot = resolve(import.meta.dirname, '../..')
const stopTimeoutMs = 15_000

export interface ProcessIdentity {
  readonly pid: number
  /** In clock ticks since boot: a pid alone comes again. */
  readonly startTime: string
}

export const logPath = (directory: DataDirectory, name: DaemonName) => join(directory.logs, `${name}.log`)
const recordPath = (directory: DataDirectory, name: string) => directory.file(`${name}.pid`)

export function startDaemon(
  directory: DataDirectory,
  { name, program, args }: { name: DaemonName; program: string; args: readonly string[] },
): void {
  const log = openSync(logPath(directory, name), 'a')
  const child = spawn(process.execPath, [join(repositoryRoot, program), ...args], {
    cwd: directory.path,
    detached: true,
    stdio: ['ignore', log, log],
  })
  closeSync(log)
  child.unref()
  if (child.pid !== undefined) recordProcess(directory, name, child.pid)
}

export function recordProcess(directory: DataDirectory, name: string, pid: number): void {
  writeFileSync(
    recordPath(directory, name),
    JSON.stringify({ pid, startTime: readStartTime(pid) ?? '' } satisfies ProcessIdentity),
  )
}

/** The recorded process, if it is still the one that runs. */
export function findProcess(directory: DataDirectory, name: string): ProcessIdentity | undefined {
  const path = recordPath(directory, name)
  if (!existsSync(path)) return undefined
  const recorded = JSON.parse(readFileSync(path, 'utf8')) as ProcessIdentity
  return readStartTime(recorded.pid) === recorded.startTime ? recorded : undefined
}

export function forgetProcess(directory: DataDirectory, name: string): void {
  rmSync(recordPath(directory, name), { force: true })
}

/** Asks it to end, and insists after a while. Returns once it is gone. */
export async function stopDaemon(directory: DataDirectory, name: DaemonName, clock: Clock): Promise<void> {
  const startedMs = clock.monotonicMs()
  let signal: NodeJS.Signals | undefined = 'SIGTERM'
  for (;;) {
    const found = findProcess(directory, name)
    if (found === undefined) break
    if (clock.monotonicMs() - startedMs > stopTimeoutMs) signal = 'SIGKILL'
    if (signal !== undefined) sendSignal(found.pid, signal)
    signal = undefined
    await clock.sleep(50)
  }
  forgetProcess(directory, name)
}

export async function stopDaemons(directory: DataDirectory, clock: Clock): Promise<void> {
  for (const name of daemonNames.toReversed()) await stopDaemon(directory, name, clock)
}

export const readLogTail = (directory: DataDirectory, name: DaemonName): readonly string[] => {
  const path = logPath(directory, name)
  if (!existsSync(path)) return []
  return readFileSync(path, 'utf8').split('\n').filter(Boolean).slice(-5)
}

function sendSignal(pid: number, signal: NodeJS.Signals): void {
  try {
    process.kill(pid, signal)
  } catch {
    // It ended by itself between the look and the signal.
  }
}

/** undefined: no such process, or only its remains that nobody has collected. */
function readStartTime(pid: number): string | undefined {
  try {
    const stat = readFileSync(`/proc/${pid}/stat`, 'utf8')
    // The name in parentheses may hold anything: count from its end.
    const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ')
    return fields[0] === 'Z' ? undefined : fields[19]
  } catch {
    return undefined
  }
}
