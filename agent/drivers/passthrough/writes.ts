import { describeCauses, type Logger } from '../../../lib/log.ts'
import type { PciAddress } from '../../../proto/ids.ts'
import { ExecError, type Sysfs } from '../../host/ports.ts'

/** A write to a device that is under way, or will be for good. */
export interface DeviceWriter {
  readonly address: PciAddress
  /** Such as "process 812 of UNIT". */
  readonly who: string
}

/** Writes attributes of devices. A driver may keep whoever writes for good, in a state in which nobody can end it. */
export interface DeviceWrites {
  /** Paths as those of sysfs. @throws DeviceWriteError within a minute. */
  write(address: PciAddress, path: string, value: string): Promise<void>
  /** Those of an earlier agent that have not ended. */
  findLeftOver(): Promise<readonly DeviceWriter[]>
}

export class DeviceWriteError extends Error {
  override readonly name = 'DeviceWriteError'
  /** The kernel has said no, or nothing yet. */
  readonly kind: 'refused' | 'hangs'

  constructor(kind: DeviceWriteError['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/** Where systemd is not process 1: by a program that nobody waits for once it hangs. */
export function createDirectWrites({ sysfs }: { sysfs: Sysfs }): DeviceWrites {
  return {
    write: async (_address, path, value) => {
      try {
        await sysfs.write(path, value)
      } catch (thrown) {
        if (!(thrown instanceof ExecError)) throw thrown
        if (thrown.kind === 'timeout') throw new DeviceWriteError('hangs', 'it hangs in the kernel')
        throw new DeviceWriteError('refused', describeCauses(thrown))
      }
    },
    // It has no name to be found by.
    findLeftOver: async () => [],
  }
}

/** This agent waits for them only where it has to do with the same device. */
export async function tellLeftOver(writes: DeviceWrites, log: Logger): Promise<void> {
  const what = 'A write to a device, begun by an earlier agent, has not come back from the kernel.'
  try {
    for (const { address, who } of await writes.findLeftOver()) log.error({ address, who }, what)
  } catch (err) {
    log.warn({ err }, 'It is not known whether an earlier agent has left writes to devices behind.')
  }
}
