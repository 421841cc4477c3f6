// Loaded into the scheduler before its own code: how long its event loop was held up, and how many placements its store
// committed with each flush. Told over the channel to the process that started it.
import { channel } from 'node:diagnostics_channel'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Worker } from 'node:worker_threads'
import type { WorkerMessage } from '../../scheduler/store/sqlite/protocol.ts'

export interface Observed {
  readonly loopDelayP999Ms: number
  /** Transactions with placements in them, and placements. */
  readonly flushes: number
  readonly placements: number
  readonly processorMs: number
}

const resolutionMs = 1
const delay = monitorEventLoopDelay({ resolution: resolutionMs })
delay.enable()
let flushes = 0
let placements = 0
let used = process.cpuUsage()

channel('worker_threads').subscribe((event) => {
  const { worker } = event as { worker: Worker }
  worker.on('message', (message: WorkerMessage) => {
    if (message.kind !== 'batch') return
    const committed = message.outcomes.filter(
      (outcome) => outcome.ok && (outcome.value as { kind?: string } | undefined)?.kind === 'committed',
    )
    if (committed.length === 0) return
    flushes += 1
    placements += committed.length
  })
})

process.on('message', () => {
  const { user, system } = process.cpuUsage(used)
  process.send?.({
    // What it counts is from one look to the next, and it looks so often by itself.
    loopDelayP999Ms: Math.max(0, delay.percentile(99.9) / 1e6 - resolutionMs),
    flushes,
    placements,
    processorMs: (user + system) / 1000,
  } satisfies Observed)
  delay.reset()
  flushes = 0
  placements = 0
  used = process.cpuUsage()
})
// With whoever has started it, as a signal would have it.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.channel?.unref()
