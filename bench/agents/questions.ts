// What the benchmark asks of its processes: the servers, Berth's and the bare one, and those who connect to them.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export type ServerQuestion =
  | { readonly ask: 'memory' }
  /** So many commands of so many bytes to each session; answered once all are acknowledged. */
  | { readonly ask: 'deliver'; readonly each: number; readonly bytes: number }

/** Of a delivery. */
export interface Delivered {
  readonly tookMs: number
  /** Of all threads of the server: what others do on the machine is not in it. */
  readonly processorMs: number
}

/** Begins a delivery: the result ends it. */
export function startDelivering(): () => Delivered {
  const beganMs = performance.now()
  const before = process.cpuUsage()
  return () => {
    const { user, system } = process.cpuUsage(before)
    return { tookMs: performance.now() - beganMs, processorMs: (user + system) / 1000 }
  }
}

export type { AgentsQuestion } from '../region/agents-process.ts'

/** Of this process, with nothing left to collect. */
export function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as (how: object) => void
  // Also what is thinly spread over pages: how thinly is chance.
  collect({ type: 'major', execution: 'sync', flavor: 'last-resort' })
  return process.memoryUsage.rss()
}
