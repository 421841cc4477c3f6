import type { GuestHandle, GuestPlan } from './port.ts'

/** Who keeps a guest's process: it starts it so that it outlives the agent, and ends what is left of it. */
export interface Supervision {
  /** The process has begun when it resolves. @throws ExecError if it can't begin. */
  launch(plan: GuestPlan): Promise<GuestHandle>
  /** The end of what a guest's QEMU said; '' where it said nothing. */
  readLastWords(plan: GuestPlan): Promise<string>
  /** After the process is gone: nothing of it stays. */
  cleanUp(handle: GuestHandle): Promise<void>
}
