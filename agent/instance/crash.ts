import { create } from '@bufbuild/protobuf'
import { doublingMs } from '../../lib/backoff.ts'
import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { CrashesSchema, type InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { dropMemory } from './suspend.ts'
import { keepDisks, type StopContext, tearDown } from './teardown.ts'

const pauses = { minMs: 1000, maxMs: 5 * 60_000 }
/** Who has run as long after a start crashes for the first time. */
const stableMs = 10 * 60_000

/** What becomes of a guest whose QEMU has ended unasked: it is started again, after a longer pause each time in a row. */
export function afterCrash(
  { spec, desiredState, crashes }: Pick<InstanceRecord, 'spec' | 'desiredState' | 'crashes'>,
  { why, nowMs }: { readonly why: string; readonly nowMs: number },
): Partial<InstanceRecord> {
  const ended = `The guest's QEMU ended unasked: ${why}`
  if (spec?.automaticRestart !== true || desiredState !== DesiredState.RUNNING) {
    return {
      ...{ phase: InstancePhase.CRASHED, reason: 'GUEST_CRASHED' },
      message: `${ended} Its disks are kept: start it again.`,
    }
  }
  const wasStable = crashes === undefined || nowMs - Number(crashes.startAtUnixMs) >= stableMs
  const count = wasStable ? 1 : crashes.count + 1
  const pauseMs = doublingMs({ ...pauses, attempt: count - 1 })
  const often =
    count === 1 ? '' : ` That was crash ${count} in a row: look at its serial console, or stop it.`
  return {
    ...{ phase: InstancePhase.REPAIRING, reason: 'GUEST_CRASHED' },
    message: `${ended} It is started again in ${Math.round(pauseMs / 1000)} s.${often}`,
    crashes: create(CrashesSchema, { count, startAtUnixMs: BigInt(nowMs + pauseMs) }),
  }
}

/** Takes down what the crash has left, but for its disks, and has it brought up anew once its pause is over. */
export async function repairGuest(context: StopContext): Promise<void> {
  const { ports, signal } = context
  await tearDown(context, keepDisks)
  await dropMemory(context)
  const startAtMs = Number(context.record().crashes?.startAtUnixMs ?? 0)
  // Somebody wants something else meanwhile.
  await ports.clock.sleep(Math.max(0, startAtMs - ports.clock.nowMs()), signal).catch(() => {})
  if (signal.aborted) return
  await context.change({
    ...{ phase: InstancePhase.STAGING, reason: 'GUEST_CRASHED' },
    message: 'The guest has crashed; it is started again.',
  })
}
