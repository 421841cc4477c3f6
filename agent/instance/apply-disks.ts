import { describeCauses } from '../../lib/log.ts'
import type { Disk } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { DiskError } from '../drivers/disk/port.ts'
import { type GuestHandle, HypervisorError } from '../drivers/hypervisor/port.ts'
import { repinDisks } from '../plan/pinned.ts'
import type { Failure } from './failure.ts'
import { findGuest } from './guest.ts'
import { heldByDisk, isHeld, undoHeld } from './held.ts'
import { runStep } from './run-step.ts'
import { basesOf, type Fetched } from './step-context.ts'
import type { StopContext } from './teardown.ts'

/**
 * Brings the disks of a guest that runs to what its spec asks. What can't be had leaves the spec, and what the guest
 * does not let go of comes back into it: what is not so is told, not tried for ever. undefined where nothing was to do.
 */
export async function applyDisks(context: StopContext): Promise<Failure | undefined> {
  const guest = await findGuest(context.ports, context.record())
  // One that has ended meanwhile is told as what it is by whoever watches it.
  if (!guest) return undefined
  const said: Failure[] = []
  for (const { disk, change } of changesOf(context)) {
    const { doing, done, failed } = words[change]
    try {
      await carryOut[change]({ context, guest }, disk)
      said.push({ reason: 'DISKS_CHANGED', message: `Disk ${disk.deviceName} was ${done}.` })
    } catch (thrown) {
      if (context.signal.aborted) throw thrown
      context.ports.log.warn(
        { err: thrown, instanceUid: context.record().uid },
        `Failed while ${doing} a disk.`,
      )
      await giveUp[change](context, disk)
      const reason = reasonOf(thrown, change)
      said.unshift({
        reason,
        message: `Disk ${disk.deviceName} could not be ${failed}: ${describeCauses(thrown)}`,
      })
    }
  }
  const [first] = said
  return first && { reason: first.reason, message: said.map(({ message }) => message).join(' ') }
}

type Change = 'attach' | 'detach' | 'grow'

function reasonOf(thrown: unknown, change: Change): string {
  if (change === 'grow') return 'RESIZE_FAILED'
  return thrown instanceof DiskError || thrown instanceof HypervisorError ? thrown.reason : 'HOST_ERROR'
}

const words: Readonly<Record<Change, { doing: string; done: string; failed: string }>> = {
  attach: { doing: 'attaching', done: 'attached', failed: 'attached' },
  detach: { doing: 'detaching', done: 'detached', failed: 'detached and stays' },
  grow: { doing: 'growing', done: 'grown', failed: 'grown while the guest runs' },
}

/** Detaching first: it makes room. */
function changesOf({ record }: StopContext): readonly { disk: Disk; change: Change }[] {
  const { spec, guestDisks } = record()
  const wanted = spec?.disks ?? []
  const had = (disk: Disk) => guestDisks.find((one) => one.deviceName === disk.deviceName)
  const isGone = (disk: Disk) => !wanted.some((one) => one.deviceName === disk.deviceName)
  return [
    ...guestDisks.filter(isGone).map((disk) => ({ disk, change: 'detach' as const })),
    ...wanted.flatMap((disk): { disk: Disk; change: Change }[] => {
      const before = had(disk)
      if (!before) return [{ disk, change: 'attach' }]
      return before.sizeGb < disk.sizeGb ? [{ disk, change: 'grow' }] : []
    }),
  ]
}

interface Target {
  readonly context: StopContext
  readonly guest: GuestHandle
}

const carryOut: Readonly<Record<Change, (target: Target, disk: Disk) => Promise<void>>> = {
  attach,
  detach,
  grow,
}

async function attach({ context, guest }: Target, disk: Disk): Promise<void> {
  const { ports, signal } = context
  const { spec, guestDisks, pinned: before } = context.record()
  if (!spec || !before) throw new Error(`Instance ${context.record().uid} runs and has no pinned machine.`)
  const pinned = repinDisks(before, [...guestDisks, disk])
  if (!pinned)
    throw new HypervisorError('PLUG_REFUSED', 'Its machine has no free slot left: detach another disk.')
  const resource = heldByDisk(disk)
  const held = isHeld(context.record(), resource)
    ? context.record().held
    : [...context.record().held, resource]
  await context.change({ held, pinned })
  const fetched: Fetched = { images: new Map(), blobs: new Map() }
  const step = {
    ...{ ports, spec, fetched, record: context.record, change: context.change },
    fetchOptions: { signal, onProgress: () => {} },
  }
  if (disk.image) await runStep(step, { kind: 'fetch-image', disk, image: disk.image })
  await runStep(step, { kind: 'make-disk', disk })
  signal.throwIfAborted()
  const base = basesOf(spec, fetched).get(disk.deviceName)
  const path = guest.paths.disk(disk)
  await ports.hypervisor.plugDisk(guest, { disk, path, pinned, ...(base ? { base } : {}) })
  await context.change({ guestDisks: [...guestDisks, disk] })
}

async function detach({ context, guest }: Target, disk: Disk): Promise<void> {
  const { ports, signal } = context
  await ports.hypervisor.unplugDisk(guest, { deviceName: disk.deviceName, signal })
  const guestDisks = context.record().guestDisks.filter((one) => one.deviceName !== disk.deviceName)
  await context.change({ guestDisks })
  await letGo(context, disk)
}

async function grow({ context, guest }: Target, disk: Disk): Promise<void> {
  const { ports } = context
  const { deviceName, sizeGb } = disk
  await ports.hypervisor.resizeDisk(guest, { deviceName, sizeBytes: sizeGb * 1024 ** 3 })
  await context.change({
    guestDisks: context.record().guestDisks.map((one) => (one.deviceName === deviceName ? disk : one)),
  })
}

const giveUp: Readonly<Record<Change, (context: StopContext, disk: Disk) => Promise<void>>> = {
  attach: async (context, disk) => {
    await changeSpec(context, (disks) => disks.filter((one) => one.deviceName !== disk.deviceName))
    await letGo(context, disk)
  },
  detach: (context, disk) => changeSpec(context, (disks) => [...disks, disk]),
  // It is grown at the next start.
  grow: async () => {},
}

async function changeSpec(context: StopContext, change: (disks: readonly Disk[]) => Disk[]): Promise<void> {
  const { spec } = context.record()
  if (spec) await context.change({ spec: { ...spec, disks: change(spec.disks) } })
}

/** The guest has it no more: its slot and its file are for others. */
async function letGo(context: StopContext, disk: Disk): Promise<void> {
  const resource = heldByDisk(disk)
  await undoHeld(context.ports, context.record(), resource)
  const { held, pinned, guestDisks } = context.record()
  const repinned = pinned && repinDisks(pinned, guestDisks)
  await context.change({
    held: held.filter(({ kind, name }) => kind !== resource.kind || name !== resource.name),
    ...(repinned ? { pinned: repinned } : {}),
  })
}
