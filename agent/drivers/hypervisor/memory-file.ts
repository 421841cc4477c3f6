// The memory of a guest in a file: a snapshot of nothing but memory and devices, in a qcow2 of its own that no guest sees.
import { listNodes } from './hot-plug.ts'
import { HypervisorError } from './port.ts'
import { type QmpClient, QmpError, QmpLost } from './qmp-client.ts'

const node = 'memory'
const fileNode = 'memory-file'
const tag = 'suspended'
/** QEMU answers nobody while it reads or writes: a terabyte at a gigabyte each second. */
const timeoutMs = 1_200_000

/** The guest stands still before and after. @throws HypervisorError */
export async function saveMemory(monitor: QmpClient, path: string): Promise<void> {
  await monitor.execute('stop', undefined, { timeoutMs })
  await clear(monitor)
  await inFile(monitor, path, async () => {
    try {
      await runJob(monitor, 'snapshot-save')
    } catch (thrown) {
      if (!(thrown instanceof QmpError)) throw thrown
      const isFull = /no space left/i.test(thrown.message)
      throw isFull
        ? new HypervisorError('DISK_FULL', 'The host has no room on its disk for the memory.', {
            cause: thrown,
          })
        : new HypervisorError('SUSPEND_FAILED', `${thrown.message}.`, { cause: thrown })
    }
  })
}

/** Into a machine whose vCPUs have not run yet. @throws HypervisorError */
export async function loadMemory(monitor: QmpClient, path: string): Promise<void> {
  try {
    await inFile(monitor, path, () => runJob(monitor, 'snapshot-load'))
  } catch (thrown) {
    if (!(thrown instanceof QmpError)) throw thrown
    const message = `The memory of the guest could not be loaded: ${thrown.message}.`
    throw new HypervisorError('START_FAILED', message, { cause: thrown })
  }
}

/** What a killed agent has left of its attempt. QEMU answers again once that is over. */
async function clear(monitor: QmpClient): Promise<void> {
  const jobs = (await monitor.execute('query-jobs')) as readonly { id: string }[]
  if (jobs.some(({ id }) => id === 'snapshot-save')) {
    await monitor.execute('job-dismiss', { id: 'snapshot-save' })
  }
  const nodes = await listNodes(monitor)
  for (const name of [node, fileNode]) {
    if (nodes.has(name)) await monitor.execute('blockdev-del', { 'node-name': name }, { timeoutMs })
  }
}

/** Closing the file flushes it. */
async function inFile(monitor: QmpClient, filename: string, work: () => Promise<void>): Promise<void> {
  await monitor.execute('blockdev-add', { 'node-name': fileNode, driver: 'file', filename })
  try {
    await monitor.execute('blockdev-add', { 'node-name': node, driver: 'qcow2', file: fileNode })
    try {
      await work()
    } finally {
      await monitor.execute('blockdev-del', { 'node-name': node }, { timeoutMs })
    }
  } finally {
    await monitor.execute('blockdev-del', { 'node-name': fileNode }, { timeoutMs })
  }
}

async function runJob(monitor: QmpClient, command: 'snapshot-save' | 'snapshot-load'): Promise<void> {
  const ending = Promise.withResolvers<'concluded' | 'lost'>()
  const stop = monitor.onEvent(({ event, data }) => {
    if (event === 'JOB_STATUS_CHANGE' && data['id'] === command && data['status'] === 'concluded') {
      ending.resolve('concluded')
    }
  })
  const stopClose = monitor.onClose(() => ending.resolve('lost'))
  try {
    const about = { 'job-id': command, tag, vmstate: node, devices: [node] }
    await monitor.execute(command, about, { timeoutMs })
    if ((await ending.promise) === 'lost') throw new QmpLost(`QEMU is gone: ${command} did not end.`)
    const jobs = (await monitor.execute('query-jobs')) as readonly { id: string; error?: string }[]
    const error = jobs.find(({ id }) => id === command)?.error
    await monitor.execute('job-dismiss', { id: command })
    if (error !== undefined) throw new QmpError(command, { class: 'GenericError', desc: error })
  } finally {
    stop()
    stopClose()
  }
}
