import type { Processes, ProcessIdentity } from '../../host/ports.ts'
import { HypervisorError } from './port.ts'

/** For a process to be gone, asked or forced. */
export const killTimeoutMs = 10_000

/** Resolves once it is gone. @throws HypervisorError UNRESPONSIVE */
export async function endByForce(processes: Processes, process: ProcessIdentity): Promise<void> {
  await processes.signal(process, 'SIGKILL')
  if (await processes.waitGone(process, killTimeoutMs)) return
  throw new HypervisorError(
    'UNRESPONSIVE',
    `QEMU (process ${process.pid}) does not end, not even by force: a device may hold it.`,
  )
}
