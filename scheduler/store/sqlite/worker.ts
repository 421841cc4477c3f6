// The thread that owns the database. Calls that have come since its last turn are one batch. Outcomes leave after the
// commit.
import { parentPort, workerData } from 'node:worker_threads'
import { writes } from '../procedures/catalogue.ts'
import { sentenceOf } from './batch.ts'
import { openEngine } from './engine.ts'
import { keepLogShort } from './log-keeper.ts'
import type { WorkerCall, WorkerMessage, WorkerSettings } from './protocol.ts'

const maxBatch = 512

async function main(): Promise<void> {
  const settings = workerData as WorkerSettings
  const port = parentPort
  if (!port) throw new Error('The store’s worker runs as a worker.')
  const say = (message: WorkerMessage) => port.postMessage(message)
  const engine = await openEngine(settings)
  const logKeeper = keepLogShort(settings.path, engine)
  const waiting: WorkerCall[] = []
  let isBusy = false
  let isClosing = false

  const drain = async () => {
    if (isBusy) return
    isBusy = true
    while (waiting.length > 0) {
      const calls = waiting.splice(0, maxBatch)
      const hasWritten = calls.some(({ method }) => writes.has(method))
      say({ kind: 'batch', hasWritten, ...(await engine.run(calls)) })
      if (hasWritten) logKeeper.look()
      // Lets calls that came meanwhile into the next batch.
      await new Promise((resolve) => setImmediate(resolve))
    }
    isBusy = false
    if (isClosing) {
      await logKeeper.close()
      engine.close()
      port.close()
    }
  }

  port.on('message', (message: readonly WorkerCall[] | 'close') => {
    // What was asked before it is carried out first.
    if (message === 'close') isClosing = true
    else waiting.push(...message)
    setImmediate(() => void drain())
  })
  say({ kind: 'ready' })
}

main().catch((thrown: unknown) => {
  parentPort?.postMessage({ kind: 'failed', message: sentenceOf(thrown) } satisfies WorkerMessage)
})
