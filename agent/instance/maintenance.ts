// A stop for work on the host: the guest is told where it looks for such news, and has its notice to put its work aside.
// One that powers itself off meanwhile has said that it is ready.
import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { GuestHandle } from '../drivers/hypervisor/port.ts'
import { findGuest } from './guest.ts'
import { publishAgain } from './run-step.ts'
import type { StopContext } from './teardown.ts'

const pollMs = 500

/** Returns when the notice is over, the guest is off, or somebody wants something else; at once for any other stop. */
export async function giveNotice(context: StopContext): Promise<'over' | 'aborted'> {
  const { ports, record, change, signal } = context
  const { uid, maintenance } = record()
  const guest = maintenance && (await findGuest(ports, record()))
  if (!guest) return 'over'
  const leftMs = Math.max(0, Number(maintenance.powerOffAtUnixMs) - ports.clock.nowMs())
  const seconds = Math.round(leftMs / 1000)
  const message = `The guest is told, and is asked to power off in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`
  await change({ phase: InstancePhase.STOPPING, ...forMaintenance(record(), { reason: '', message }) })
  try {
    await tellGuest(context)
    await waitForGuest(context, { guest, leftMs })
  } catch (thrown) {
    // The work on the host does not wait for it.
    ports.log.warn({ err: thrown, instanceUid: uid }, 'A guest could not be told that it will be stopped.')
  }
  return signal.aborted ? 'aborted' : 'over'
}

async function tellGuest({ ports, record }: StopContext): Promise<void> {
  const { spec } = record()
  if (spec) await publishAgain(ports, spec, { maintenanceEvent: 'TERMINATE_ON_HOST_MAINTENANCE' })
}

async function waitForGuest(
  { ports, signal }: StopContext,
  { guest, leftMs }: { guest: GuestHandle; leftMs: number },
): Promise<void> {
  const { clock, hypervisor } = ports
  const untilMs = clock.monotonicMs() + leftMs
  while (clock.monotonicMs() < untilMs && !signal.aborted) {
    if ((await hypervisor.status(guest)).kind !== 'running') return
    await clock.sleep(Math.min(pollMs, Math.max(0, untilMs - clock.monotonicMs())))
  }
}

/** By its reason the instance is known when the work is done. */
export function forMaintenance(
  { maintenance }: Pick<InstanceRecord, 'maintenance'>,
  said: { readonly reason: string; readonly message: string },
): { reason: string; message: string } {
  if (maintenance === undefined) return said
  return { reason: 'HOST_MAINTENANCE', message: `Its host is to be worked on. ${said.message}` }
}
