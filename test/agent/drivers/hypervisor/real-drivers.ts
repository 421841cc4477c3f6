// Both hypervisor drivers as this machine runs them, for the suites that each of them passes.
import { createDetachedSupervision } from '../../../../agent/drivers/hypervisor/detached.ts'
import type { HypervisorName } from '../../../../agent/drivers/hypervisor/either.ts'
import { createLibvirtDriver } from '../../../../agent/drivers/hypervisor/libvirt/libvirt.ts'
import type { HypervisorDriver } from '../../../../agent/drivers/hypervisor/port.ts'
import { createQemuDriver } from '../../../../agent/drivers/hypervisor/qemu.ts'
import { createLinuxHost } from '../../../../agent/host/linux-host.ts'
import type { LineSocket } from '../../../../agent/host/ports.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { startLibvirt } from '../../../support/libvirt.ts'
import type { Needs } from '../../../support/needs.ts'

/** All that it keeps, or a single life of a guest. */
export type Extent = 'whole' | 'smoke'

/** An agent knows of a guest what the journal holds. */
export interface TestAgent {
  readonly driver: HypervisorDriver
  /** As the end of its process does: what it has open is closed, and programs that it follows end. */
  end(): Promise<void>
}

export interface DriverUnderTest {
  readonly name: HypervisorName
  readonly needs: Needs
  /** Before the first test; the result after the last. */
  prepare(): Promise<() => Promise<void>>
  newAgent(options: { readonly imageDirectory: string }): TestAgent
  /** What keeps a process from privileges that it has given up: that there are none in its bounds, or that it takes none. */
  readonly boundingSet: string
  /** Of a guest that writes all the time, at each change between a console and none. */
  readonly mostLinesLost: number
}

const guestPrograms = ['qemu-system-x86_64', 'qemu-img', 'apt-get', 'dpkg-deb', 'busybox']

export const qemu: DriverUnderTest = {
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
  // Some milliseconds of a guest that does nothing but write.
  mostLinesLost: 500,
}

export const libvirt: DriverUnderTest = {
  name: 'libvirt',
  needs: { root: true, programs: [...guestPrograms, 'libvirtd', 'virtlogd', 'virsh', 'setfacl', 'stty'] },
  prepare: startLibvirt,
  newAgent: ({ imageDirectory }) => {
    const host = createLinuxHost({ clock: systemClock })
    return {
      driver: createLibvirtDriver({ ...host, clock: systemClock, log: silentLogger, imageDirectory }),
      end: () => host.exec.close(),
    }
  },
  boundingSet: '[0-9a-f]{16}',
  mostLinesLost: 0,
}
