import { applyDisks } from './apply-disks.ts'
import { findGuest } from './guest.ts'
import { publishAgain } from './run-step.ts'
import type { StopContext } from './teardown.ts'

/** Brings a guest that runs to what its newest generation asks, without a restart: its metadata, its disks, a hard reset. */
export async function applyChanges(context: StopContext): Promise<void> {
  const { ports } = context
  const { spec, generation, appliedGeneration, resetGeneration } = context.record()
  if (!spec) throw new Error(`Instance ${context.record().uid} runs and its journal has no spec.`)
  await publishAgain(ports, spec)
  const disks = await applyDisks(context)
  if (resetGeneration > appliedGeneration) await resetGuest(context)
  await context.change({
    appliedGeneration: generation,
    ...disks,
    ...(resetGeneration > appliedGeneration
      ? { reason: 'RESET', message: 'The guest was reset as asked.' }
      : {}),
  })
}

async function resetGuest({ ports, record }: StopContext): Promise<void> {
  const guest = await findGuest(ports, record())
  // One that has ended meanwhile is told as what it is by whoever watches it.
  if (guest) await ports.hypervisor.reset(guest)
}
