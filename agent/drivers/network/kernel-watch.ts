import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import type { Exec } from '../../host/ports.ts'

/** Whether links, forwarding or filters of the host may have changed: whoever looks after them need not look for nothing. */
export interface KernelWatch {
  /** Since this was asked last; always while the kernel can't be listened to. */
  hasChanged(): boolean
  close(): void
}

const programs = [
  ['ip', 'monitor', 'link', 'netconf'],
  ['nft', 'monitor'],
] as const
const againMs = 10_000

export function watchKernel(options: { exec: Exec; clock: Clock; log: Logger }): KernelWatch {
  const { exec, clock, log } = options
  let hasChanged = true
  let isClosed = false
  const deaf = new Set<string>()
  const stops = new Map<string, () => void>()

  const follow = (file: string, args: readonly string[]) => {
    if (isClosed) return
    // What has happened meanwhile nobody has told.
    hasChanged = true
    deaf.delete(file)
    const stop = exec.follow(file, args, {
      onOutput: () => {
        hasChanged = true
      },
      onEnd: (how) => {
        deaf.add(file)
        log.warn(
          { program: file, how },
          'The kernel is not listened to: it is looked at all the time instead.',
        )
        stops.set(
          file,
          clock.after(againMs, () => follow(file, args)),
        )
      },
    })
    if (!deaf.has(file)) stops.set(file, stop)
  }
  for (const [file, ...args] of programs) follow(file, args)

  return {
    hasChanged: () => {
      const answer = hasChanged || deaf.size > 0
      hasChanged = false
      return answer
    },
    close: () => {
      isClosed = true
      for (const stop of stops.values()) stop()
    },
  }
}
