import { readFile } from 'node:fs/promises'
import type { Clock } from '../../lib/clock.ts'
import type { Processes, ProcessIdentity } from './ports.ts'

/** A look is one small read. */
const pollMs = 5

/** Processes of this host, known by pid and start time. */
export function createLinuxProcesses(options: { clock: Clock }): Processes {
  const { clock } = options

  const isAlive = async (identity: ProcessIdentity) =>
    (await identify(identity.pid))?.startTimeTicks === identity.startTimeTicks

  return {
    identify,
    isAlive,
    signal: async (identity, signal) => {
      if (!(await isAlive(identity))) return false
      try {
        process.kill(identity.pid, signal)
        return true
      } catch (thrown) {
        if ((thrown as NodeJS.ErrnoException).code === 'ESRCH') return false
        throw thrown
      }
    },
    waitGone: async (identity, timeoutMs) => {
      const untilMs = clock.monotonicMs() + timeoutMs
      while (await isAlive(identity)) {
        if (clock.monotonicMs() >= untilMs) return false
        await clock.sleep(pollMs)
      }
      return true
    },
    bootId: async () => (await readFile('/proc/sys/kernel/random/boot_id', 'utf8')).trim(),
  }
}

async function identify(pid: number): Promise<ProcessIdentity | undefined> {
  let text: string
  try {
    text = await readFile(`/proc/${pid}/stat`, 'utf8')
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code
    if (code === 'ENOENT' || code === 'ESRCH') return undefined
    throw thrown
  }
  // The name is in parentheses and may hold anything, parentheses too.
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  const [state] = fields
  const threadCount = Number(fields[17])
  const startTime = fields[19]
  // Its first thread is over at once; the last one gives its memory and its devices back, and that takes as long as it takes.
  const isOver = (state === 'Z' && threadCount <= 1) || state === 'X'
  if (isOver || startTime === undefined) return undefined
  return { pid, startTimeTicks: BigInt(startTime) }
}
