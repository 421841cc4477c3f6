import type { Logger } from '../../../lib/log.ts'
import { renderCpuList } from '../../../proto/cpu-list.ts'
import { type Exec, ExecError, type ProcessIdentity } from '../../host/ports.ts'
import type { CpuPinning } from '../../plan/cpu-pinning.ts'
import type { QmpClient } from './qmp-client.ts'

interface VcpuThread {
  readonly 'cpu-index': number
  readonly 'thread-id': number
}

/**
 * QEMU's threads to the host CPUs that are planned for them, before any vCPU runs: first all to those of its own work, then
 * each vCPU to its own. From outside, for QEMU's sandbox lets it set nothing of that kind. Where the host refuses, the guest
 * runs anywhere: slower, and better than not at all.
 */
export async function pinThreads(
  door: { readonly exec: Exec; readonly monitor: QmpClient; readonly log: Logger },
  { pid }: ProcessIdentity,
  pinning: CpuPinning,
): Promise<void> {
  const { exec, monitor, log } = door
  try {
    const common = renderCpuList(pinning.emulator)
    await exec.run('taskset', ['-a', '-p', '-c', common, String(pid)])
    if (pinning.vcpus.every((cpus) => renderCpuList(cpus) === common)) return
    const threads = (await monitor.execute('query-cpus-fast')) as readonly VcpuThread[]
    await Promise.all(
      threads.map(async (thread) => {
        const cpus = pinning.vcpus[thread['cpu-index']]
        if (cpus === undefined) return
        await exec.run('taskset', ['-p', '-c', renderCpuList(cpus), String(thread['thread-id'])])
      }),
    )
  } catch (thrown) {
    if (!(thrown instanceof ExecError)) throw thrown
    log.warn({ err: thrown, pid }, "A guest's threads could not be pinned to its CPUs.")
  }
}
