import type { Exec, Files, Processes } from '../../host/ports.ts'
import { HypervisorError } from './port.ts'
import type { Supervision } from './supervision.ts'
import { renderUnprivileged } from './unprivileged.ts'

const lastWordsBytes = 4096

/**
 * Where systemd is not process 1: a process in a session of its own, known by pid and start time. QEMU's own -daemonize
 * forks, which its sandbox forbids.
 */
export function createDetachedSupervision(options: {
  exec: Exec
  files: Files
  processes: Processes
}): Supervision {
  const { exec, files, processes } = options
  return {
    launch: async (plan) => {
      const memlockBytes = plan.memlockMib * 1024 ** 2
      // Before the privileges go: raising a limit needs one.
      const args = [`--memlock=${memlockBytes}:${memlockBytes}`, ...renderUnprivileged(plan)]
      const pid = await exec.start('prlimit', args, { logPath: plan.logPath })
      const process = await processes.identify(pid)
      if (process) return { process }
      throw new HypervisorError('START_FAILED', 'QEMU ended right after it had started.')
    },
    readLastWords: async (plan) => {
      const sizeBytes = (await files.stat(plan.logPath))?.sizeBytes ?? 0
      if (sizeBytes === 0) return ''
      const start = Math.max(0, sizeBytes - lastWordsBytes)
      return new TextDecoder().decode(await files.readRange(plan.logPath, start, lastWordsBytes))
    },
    cleanUp: async () => {},
  }
}
