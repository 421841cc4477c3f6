// The machine itself, for tests that need the kernel or its programs.

import { createLinuxHost } from '../../agent/host/linux-host.ts'
import { systemClock } from '../../lib/clock.ts'

export const { exec, files, processes, sockets, sysfs } = createLinuxHost({ clock: systemClock })
