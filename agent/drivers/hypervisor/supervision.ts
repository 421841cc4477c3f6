import type { ProcessIdentity } from '../../host/ports.ts'

/** One guest's QEMU, and as whom it runs. */
export interface ProcessPlan {
  readonly instanceUid: string
  /** qemu-system-x86_64 and its arguments, as they will run. */
  readonly program: string
  readonly args: readonly string[]
  readonly runAs: {
    readonly uid: number
    readonly gid: number
    readonly supplementaryGids: readonly number[]
  }
  readonly memlockMib: number
  readonly pidFilePath: string
  /** What QEMU says, where no systemd keeps it. */
  readonly logPath: string
  readonly startTimeoutMs: number
}

export interface Supervised {
  readonly process: ProcessIdentity
  readonly unit?: string
}

/** Who keeps a guest's process: it starts it so that it outlives the agent, and ends what is left of it. */
export interface Supervision {
  /** The process has begun when it resolves. @throws ExecError if it can't begin. */
  launch(plan: ProcessPlan): Promise<Supervised>
  /** The end of what a guest's QEMU said; '' where it said nothing. */
  readLastWords(plan: ProcessPlan): Promise<string>
  /** After the process is gone: nothing of it stays. */
  cleanUp(supervised: Supervised): Promise<void>
}
