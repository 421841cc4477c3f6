// A guest whose memory is on disk: written, given up, and used at most once. From the moment its vCPUs may run again, the
// disks move on, and memory from before would destroy what they hold.
import { DesiredState, InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { MemoryFile } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { DiskError } from '../drivers/disk/port.ts'
import { type GuestHandle, HypervisorError } from '../drivers/hypervisor/port.ts'
import { instancePaths } from '../plan/paths.ts'
import { findGuest } from './guest.ts'
import type { StageContext } from './stage.ts'
import { keepDisks, type TeardownContext, tearDown } from './teardown.ts'

export type SuspendContext = TeardownContext & Pick<StageContext, 'progress'>

const progressMs = 1000

/** Ends in SUSPENDED; with the guest running on where its memory can't be written; or as the guest has ended itself. */
export async function suspendGuest(context: SuspendContext): Promise<void> {
  const { ports, record, change } = context
  await change({
    phase: InstancePhase.SUSPENDING,
    ...{ reason: 'SUSPEND_REQUESTED', message: 'Its memory is being written to disk.' },
  })
  if (record().memoryFile !== MemoryFile.SAVED) {
    const guest = await findGuest(ports, record())
    const status = guest && (await ports.hypervisor.status(guest))
    if (!guest || status?.kind === 'gone') return change(ended.crashed)
    if (status?.kind === 'powered-off') return change(ended.poweredOff)
    const failure = await trySave(context, guest)
    if (failure) return goOn(context, guest, failure)
    await change({ memoryFile: MemoryFile.SAVED })
  }
  await tearDown(context, keepDisks)
  await change({
    phase: InstancePhase.SUSPENDED,
    ...{ reason: 'SUSPENDED', message: 'Its memory is on disk. Resume it when it is wanted.' },
    ...{ released: true, appliedGeneration: record().generation },
  })
}

const ended = {
  crashed: {
    ...{ phase: InstancePhase.CRASHED, reason: 'GUEST_CRASHED' },
    message: "The guest's QEMU ended before its memory was saved. Its disks are kept: start it again.",
  },
  poweredOff: {
    ...{ phase: InstancePhase.STOPPED, reason: 'GUEST_POWERED_OFF' },
    message: 'The guest powered itself off. Start it again when it is wanted.',
  },
} as const

/** undefined when all of it is on disk. */
async function trySave(
  context: SuspendContext,
  guest: GuestHandle,
): Promise<{ reason: string; message: string } | undefined> {
  const { ports, record } = context
  const { uid, spec, pinned } = record()
  const { memory, directory } = instancePaths(ports.directories, uid)
  const owner = pinned?.runAsUid ?? 0
  const neededBytes = (spec?.memoryMib ?? 0) * 2 ** 20
  try {
    await ports.files.remove(memory)
    const freeBytes = await ports.files.freeBytes(directory)
    if (freeBytes < neededBytes) {
      const [free, needed] = [freeBytes, neededBytes].map((bytes) => Math.floor(bytes / 2 ** 20))
      const message = `The host's disk has ${free} MiB free, and the memory needs ${needed} MiB.`
      throw new HypervisorError('DISK_FULL', message)
    }
    await ports.disk.ensureDisk({ path: memory, sizeGb: 1, owner: { uid: owner, gid: owner } })
    const stopTelling = tellGrowth(context, { memory, neededBytes })
    try {
      await ports.hypervisor.saveMemory(guest, memory)
    } finally {
      stopTelling()
    }
    return undefined
  } catch (thrown) {
    if (!(thrown instanceof HypervisorError || thrown instanceof DiskError)) throw thrown
    ports.log.warn({ err: thrown, instanceUid: uid }, 'The memory of a guest could not be saved.')
    return { reason: thrown.reason, message: thrown.message }
  }
}

/** QEMU says nothing while it writes: what can be seen is its file. */
function tellGrowth(
  { ports, progress }: SuspendContext,
  { memory, neededBytes }: { memory: string; neededBytes: number },
): () => void {
  let cancel = () => {}
  let isOver = false
  const look = async () => {
    const doneBytes = Math.min((await ports.files.stat(memory))?.sizeBytes ?? 0, neededBytes)
    if (isOver) return
    const [done, total] = [doneBytes, neededBytes].map((bytes) => Math.round(bytes / 2 ** 20))
    progress(`Writing its memory to disk: ${done} of at most ${total} MiB.`, {
      ...{ step: 'save-memory', stepNumber: 1, stepCount: 1 },
      ...{ doneBytes: BigInt(doneBytes), totalBytes: BigInt(neededBytes) },
    })
    lookLater()
  }
  const lookLater = () => {
    cancel = ports.clock.after(progressMs, () => void look().catch(() => {}))
  }
  lookLater()
  return () => {
    isOver = true
    cancel()
  }
}

/** The guest has lost nothing but a moment; the wish has failed. */
async function goOn(
  { ports, record, change }: SuspendContext,
  guest: GuestHandle,
  { reason, message }: { reason: string; message: string },
): Promise<void> {
  const { memory } = instancePaths(ports.directories, record().uid)
  await ports.hypervisor.resume(guest)
  await ports.files.remove(memory)
  await change({
    ...{ phase: InstancePhase.RUNNING, desiredState: DesiredState.RUNNING },
    ...{ reason, message: `${message} It was not suspended and runs on.` },
    appliedGeneration: record().generation,
  })
}

/** The instance is to be stopped: what was in memory is lost, as by pulling the plug. */
export async function discardMemory(context: TeardownContext): Promise<void> {
  await tearDown(context, keepDisks)
  await dropMemory(context)
  await context.change({
    ...{
      phase: InstancePhase.STOPPED,
      reason: 'STOPPED',
      message: 'Stopped; what was in memory is given up.',
    },
    ...{ released: true, appliedGeneration: context.record().generation },
  })
}

/** Forgotten before it is removed: half a file is never taken for a whole one. */
export async function dropMemory({ ports, record, change }: TeardownContext): Promise<void> {
  await change({ memoryFile: MemoryFile.UNSPECIFIED })
  await ports.files.remove(instancePaths(ports.directories, record().uid).memory)
}
