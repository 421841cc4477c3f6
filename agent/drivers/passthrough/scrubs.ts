import { describeCauses } from '../../../lib/log.ts'
import type { PciAddress } from '../../../proto/ids.ts'
import { type Exec, ExecError } from '../../host/ports.ts'

/** Empties devices by the operator's program, which is called with the address. */
export interface Scrubs {
  /**
   * Nothing of the last guest is left once it resolves. What an earlier agent began for the same end of a guest goes on.
   * @throws ScrubError; anything else may be tried again
   */
  scrub(address: PciAddress, sinceUnixMs: number): Promise<void>
}

/** The program has not done its work. */
export class ScrubError extends Error {
  override readonly name = 'ScrubError'
}

/** A minute less than a device may be in this state. */
export const scrubTimeoutMs = 29 * 60_000

/** Where systemd is not process 1: by a program that ends with the agent. */
export function createDirectScrubs({ exec, program }: { exec: Exec; program: string }): Scrubs {
  return {
    scrub: async (address) => {
      try {
        await exec.run(program, [address], { timeoutMs: scrubTimeoutMs, queue: 'scrubs' })
      } catch (cause) {
        if (!(cause instanceof ExecError)) throw cause
        throw new ScrubError(describeCauses(cause), { cause })
      }
    },
  }
}
