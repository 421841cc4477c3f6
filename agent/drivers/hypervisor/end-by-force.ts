import type { Processes } from '../../host/ports.ts'
import { type GuestHandle, HypervisorError } from './port.ts'

/** Resolves once it is gone. @throws HypervisorError UNRESPONSIVE */
export async function endByForce(
  processes: Processes,
  { process, endTimeoutMs }: Pick<GuestHandle, 'process' | 'endTimeoutMs'>,
): Promise<void> {
  await processes.signal(process, 'SIGKILL')
  if (await processes.waitGone(process, endTimeoutMs)) return
  throw new HypervisorError(
    'UNRESPONSIVE',
    `QEMU (process ${process.pid}) does not end, not even by force: a device may hold it.`,
  )
}
