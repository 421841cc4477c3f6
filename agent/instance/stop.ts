import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { findGuest } from './guest.ts'
import { forMaintenance, giveNotice } from './maintenance.ts'
import { dropMemory } from './suspend.ts'
import { keepDisks, keepNothing, type StopContext, type TeardownContext, tearDown } from './teardown.ts'

const pollMs = 200

/** ACPI first; a guest that takes longer than its deadline is ended. */
export async function stopGuest(context: StopContext): Promise<void> {
  const ending = await endGuestWithin(context, 'STOP_REQUESTED')
  if (ending === 'aborted') return
  const { generation } = context.record()
  await context.change({
    phase: InstancePhase.STOPPED,
    ...forMaintenance(context.record(), endings[ending]),
    released: true,
    appliedGeneration: generation,
  })
}

/** The same machine again, on the same host: it lets go of what it holds here and takes it anew. */
export async function restartGuest(context: StopContext): Promise<void> {
  const ending = await endGuestWithin(context, 'RESTART_REQUESTED')
  if (ending === 'aborted') return
  await context.change({
    phase: InstancePhase.STAGING,
    reason: 'RESTARTING',
    message: `${endings[ending].message} It is started again.`,
  })
}

const endings = {
  graceful: { reason: 'STOPPED', message: 'The guest powered off as asked.' },
  late: { reason: 'STOP_FORCED', message: 'The guest did not power off in time and was ended.' },
  forced: { reason: 'STOP_FORCED', message: 'The guest was ended at once, as asked.' },
} as const

async function endGuestWithin(
  context: StopContext,
  reason: 'STOP_REQUESTED' | 'RESTART_REQUESTED',
): Promise<keyof typeof endings | 'aborted'> {
  const isForced = context.record().stopDeadlineMs === 0
  if ((await giveNotice(context)) === 'aborted') return 'aborted'
  const message = isForced ? 'The guest is being ended.' : 'The guest was asked to power off.'
  await context.change({
    phase: InstancePhase.STOPPING,
    ...forMaintenance(context.record(), { reason, message }),
  })
  const wasGraceful = !isForced && (await powerDown(context))
  if (context.signal.aborted) return 'aborted'
  await tearDown(context, keepDisks)
  await dropMemory(context)
  return wasGraceful ? 'graceful' : isForced ? 'forced' : 'late'
}

/** Undoes a creation that is not wanted any more; disks stay. */
export async function unwind(context: TeardownContext): Promise<void> {
  await tearDown(context, keepDisks)
  await dropMemory(context)
  await context.change({
    phase: InstancePhase.STOPPED,
    ...forMaintenance(context.record(), { reason: 'STOPPED', message: 'Stopped before the guest was up.' }),
    released: true,
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
  const guest = await findGuest(ports, record)
  if (!guest) return true
  const untilMs = clock.monotonicMs() + record.stopDeadlineMs
  try {
    const { kind } = await hypervisor.status(guest)
    if (kind !== 'running' && kind !== 'paused') return true
    if (kind === 'paused') {
      // One that stands still hears no button; from here on its saved memory is not what its disks go with.
      await dropMemory(context)
      await hypervisor.resume(guest)
    }
    await hypervisor.powerDown(guest)
    while (clock.monotonicMs() < untilMs && !context.signal.aborted) {
      if ((await hypervisor.status(guest)).kind !== 'running') return true
      await clock.sleep(pollMs)
    }
  } catch (thrown) {
    // A guest that can't be asked can still be ended.
    ports.log.warn({ err: thrown, instanceUid: record.uid }, 'The guest could not be asked to power off.')
  }
  return false
}
