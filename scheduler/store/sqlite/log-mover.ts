// The thread beside the store's that brings what was committed from the log into the database, so that nobody who waits
// for a commit waits for that as well. It reads and writes no rows.
import { parentPort, workerData } from 'node:worker_threads'
import Database from 'better-sqlite3'
import type { WorkerSettings } from './protocol.ts'

const { path } = workerData as Pick<WorkerSettings, 'path'>
const database = new Database(path)
database.pragma('synchronous = FULL')

parentPort?.on('message', (message: 'move' | 'close') => {
  if (message === 'close') {
    database.close()
    parentPort?.close()
    return
  }
  database.pragma('wal_checkpoint(PASSIVE)')
  parentPort?.postMessage('moved')
})
