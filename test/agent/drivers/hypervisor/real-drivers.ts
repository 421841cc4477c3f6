// Hypervisor drivers as this machine runs them, for the suites that each of them passes.
import { createDetachedSupervision } from '../../../../agent/drivers/hypervisor/detached.ts'
import type { HypervisorDriver } from '../../../../agent/drivers/hypervisor/port.ts'
import { createQemuDriver } from '../../../../agent/drivers/hypervisor/qemu.ts'
import { createLinuxHost } from '../../../../agent/host/linux-host.ts'
import type { LineSocket } from '../../../../agent/host/ports.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'
import type { Needs } from '../../../support/needs.ts'

/** An agent knows of a guest what the journal holds. */
export interface TestAgent {
  readonly driver: HypervisorDriver
  /** As the end of its process does: what it has open is closed, and programs that it follows end. */
  end(): Promise<void>
}

export interface DriverUnderTest {
  readonly name: string
  readonly needs: Needs
  /** Before the first test; the result after the last. */
  prepare(): Promise<() => Promise<void>>
  newAgent(options: { readonly imageDirectory: string }): TestAgent
  /** What keeps a process from privileges that it has given up: that there are none in its bounds, or that it takes none. */
  readonly boundingSet: string
}

const guestPrograms = ['qemu-system-x86_64', 'qemu-img', 'apt-get', 'dpkg-deb', 'busybox']

const qemu: DriverUnderTest = {
  name: 'qemu',
  needs: { root: true, programs: [...guestPrograms, 'setpriv', 'taskset'] },
  prepare: async () => async () => {},
  newAgent: () => {
    const host = createLinuxHost({ clock: systemClock })
    const open: LineSocket[] = []
    const connect = async (path: string) => {
      const socket = await host.sockets.connect(path)
      open.push(socket)
      return socket
    }
    return {
      driver: createQemuDriver({
        ...{ ...host, clock: systemClock, log: silentLogger },
        ...{ sockets: { ...host.sockets, connect }, supervision: createDetachedSupervision(host) },
      }),
      end: async () => {
        for (const socket of open) socket.close()
        await host.exec.close()
      },
    }
  },
  boundingSet: '0000000000000000',
}

export const driversUnderTest = [qemu] as const
