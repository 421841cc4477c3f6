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
  /** Of the whole process, and of it what the thread of requests and the store's took. */
  readonly processorMs: number
  readonly requestsProcessorMs: number
  readonly storeProcessorMs: number
}

const resolutionMs = 1
const noTime: NodeJS.CpuUsage = { user: 0, system: 0 }
const delay = monitorEventLoopDelay({ resolution: resolutionMs })
delay.enable()
let flushes = 0
let placements = 0
let used = process.cpuUsage()
let usedByRequests = process.threadCpuUsage()
let store: Worker | undefined
let usedByStore = noTime
const millisOf = ({ user, system }: NodeJS.CpuUsage) => (user + system) / 1000

channel('worker_threads').subscribe((event) => {
  const { worker } = event as { worker: Worker }
  store = worker
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

process.on('message', () => void tell())

async function tell(): Promise<void> {
  const processorMs = millisOf(process.cpuUsage(used))
  const requestsProcessorMs = millisOf(process.threadCpuUsage(usedByRequests))
  const storeTime = (await store?.cpuUsage()) ?? noTime
  const storeProcessorMs = millisOf(storeTime) - millisOf(usedByStore)
  process.send?.({
    // What it counts is from one look to the next, and it looks so often by itself.
    loopDelayP999Ms: Math.max(0, delay.percentile(99.9) / 1e6 - resolutionMs),
    flushes,
    placements,
    ...{ processorMs, requestsProcessorMs, storeProcessorMs },
  } satisfies Observed)
  delay.reset()
  flushes = 0
  placements = 0
  used = process.cpuUsage()
  usedByRequests = process.threadCpuUsage()
  usedByStore = storeTime
}
// With whoever has started it, as a signal would have it.
process.on('disconnect', () => process.kill(process.pid, 'SIGTERM'))
process.channel?.unref()
