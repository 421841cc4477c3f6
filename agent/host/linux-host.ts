import type { Clock } from '../../lib/clock.ts'
import { createLinuxDownloads } from './linux-downloads.ts'
import { createLinuxExec, type LinuxExec } from './linux-exec.ts'
import { createLinuxFiles } from './linux-files.ts'
import { createLinuxProcesses } from './linux-processes.ts'
import { createLinuxSockets } from './linux-sockets.ts'
import { createLinuxSysfs } from './linux-sysfs.ts'
import { createLinuxTerminals } from './linux-terminals.ts'
import type { Host } from './ports.ts'

/** The doors of this machine. */
export function createLinuxHost(options: { clock: Clock }): Host & { readonly exec: LinuxExec } {
  const { clock } = options
  const exec = createLinuxExec()
  return {
    exec,
    files: createLinuxFiles(),
    sysfs: createLinuxSysfs({ exec }),
    processes: createLinuxProcesses({ clock }),
    sockets: createLinuxSockets(),
    terminals: createLinuxTerminals({ clock }),
    downloads: createLinuxDownloads({ clock }),
  }
}
