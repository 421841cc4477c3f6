import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { instancePaths } from '../plan/paths.ts'
import { findGuest } from './guest.ts'
import { keepDisks, keepNothing, type TeardownContext, tearDown } from './teardown.ts'

export interface StopContext extends TeardownContext {
  readonly signal: AbortSignal
}

const pollMs = 200

/** ACPI first; a guest that takes longer than its deadline is ended. */
export async function stopGuest(context: StopContext): Promise<void> {
  await context.change({
    phase: InstancePhase.STOPPING,
    reason: 'STOP_REQUESTED',
    message: 'The guest was asked to power off.',
  })
  const wasGraceful = await powerDown(context)
  if (context.signal.aborted) return
  await tearDown(context, keepDisks)
  await context.change({
    phase: InstancePhase.STOPPED,
    reason: wasGraceful ? 'STOPPED' : 'STOP_FORCED',
    message: wasGraceful
      ? 'The guest powered off as asked.'
      : 'The guest did not power off in time and was ended.',
  })
}

/** Undoes a creation that is not wanted any more; disks stay. */
export async function unwind(context: TeardownContext): Promise<void> {
  await tearDown(context, keepDisks)
  await context.change({
    phase: InstancePhase.STOPPED,
    reason: 'STOPPED',
    message: 'Stopped before the guest was up.',
  })
}

/** Takes everything off the host. What is left in the journal is the news of it, until the scheduler has it. */
export async function removeInstance(context: StopContext): Promise<void> {
  const { ports } = context
  const { uid, phase } = context.record()
  await context.change({
    phase: InstancePhase.REMOVING,
    reason: 'REMOVING',
    message: 'The host takes it down.',
  })
  // A guest that runs gets its time to write what it has in memory: disks of a deleted instance may have been copied out.
  if (phase === InstancePhase.RUNNING) await powerDown(context)
  await tearDown(context, keepNothing)
  await ports.journal.removeFiles(uid)
  await context.change({
    phase: InstancePhase.ABSENT,
    reason: 'REMOVED',
    message: 'Nothing of it is left on the host.',
    released: true,
  })
}

/** true if the guest is off, false if its deadline is over (or somebody wants something else). */
async function powerDown(context: StopContext): Promise<boolean> {
  const { ports } = context
  const { clock, hypervisor } = ports
  const record = context.record()
  const { qmpSocket } = instancePaths(ports.directories, record.uid)
  const guest = await findGuest(ports, record)
  if (!guest) return true
  const untilMs = clock.monotonicMs() + record.stopDeadlineMs
  try {
    if ((await hypervisor.status(guest, qmpSocket)).kind !== 'running') return true
    await hypervisor.powerDown(guest, qmpSocket)
    while (clock.monotonicMs() < untilMs && !isHurried(context)) {
      if ((await hypervisor.status(guest, qmpSocket)).kind !== 'running') return true
      await clock.sleep(pollMs)
    }
  } catch (thrown) {
    // A guest that can't be asked can still be ended.
    ports.log.warn({ err: thrown, instanceUid: record.uid }, 'The guest could not be asked to power off.')
  }
  return false
}

/** While it stops, somebody may ask for it to be gone. */
function isHurried({ signal, record }: StopContext): boolean {
  return signal.aborted && record().desiredState === DesiredState.ABSENT
}
