// What the benchmark asks of its processes: the servers, Berth's and the bare one, and those who connect to them.
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'

export type ServerQuestion =
  | { readonly ask: 'memory' }
  /** So many commands of so many bytes to each session; answered, with how long it took, once all are acknowledged. */
  | { readonly ask: 'deliver'; readonly each: number; readonly bytes: number }

export type { AgentsQuestion } from '../region/agents-process.ts'

/** Of this process, with nothing left to collect. */
export function usedBytes(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  collect()
  return process.memoryUsage.rss()
}
