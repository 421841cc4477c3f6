// The last step of bringing a guest up: its process, which goes on from saved memory where there is some.
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceRecord, MemoryFile } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { GuestHandle, SharedFile } from '../drivers/hypervisor/port.ts'
import { planEndTimeoutMs } from '../plan/end-timeout.ts'
import { hasUefi } from '../plan/firmware.ts'
import { planGuestHardware } from '../plan/guest-hardware.ts'
import { planMemlockMib } from '../plan/memlock.ts'
import { instancePaths } from '../plan/paths.ts'
import { bootImage } from '../plan/plan-instance.ts'
import { planStartTimeoutMs } from '../plan/start-timeout.ts'
import { ensureFirmwareVariables } from './firmware.ts'
import { findGuest, processRecordOf } from './guest.ts'
import type { InstancePorts } from './ports.ts'
import { basesOf, type Fetched, ownerOf, type StepContext } from './step-context.ts'
import { dropMemory } from './suspend.ts'

/** What is to be noted with the news that the guest runs, in one write: before it, whoever comes has to look. */
export async function startGuest(context: StepContext): Promise<Partial<InstanceRecord>> {
  const { ports, spec, fetched, record, change } = context
  const paths = instancePaths(ports.directories, spec.uid)
  const { pinned } = record()
  if (!pinned) throw new Error(`Instance ${spec.uid} has no pinned machine.`)
  const present = await takeOver(context)
  if (present) return noteOf(context, present)
  const owner = ownerOf(record())
  const use = ports.hardwareUse
  const hardware = use
    ? await use.plan(spec, pinned, (hostShare) => change({ hostShare }))
    : planGuestHardware({ spec, pinned, hardware: undefined })
  if (hasUefi(pinned)) await ensureFirmwareVariables(ports, paths.firmwareVariables, owner)
  await ports.files.remove(paths.runDirectory)
  await ports.files.makeDirectory(paths.runDirectory, { mode: 0o700, owner })
  const isKvm = pinned.accelerator === 'kvm'
  const [kvm, vhost] = isKvm
    ? await Promise.all([sharedDevice(ports, '/dev/kvm'), sharedDevice(ports, '/dev/vhost-net')])
    : [undefined, undefined]
  const readable = [...fetched.images.values(), ...fetched.blobs.values()]
  const onLoaded = () => change({ memoryFile: MemoryFile.USED })
  const handle = await ports.hypervisor.start({
    machine: {
      ...{ spec, pinned, paths, bases: basesOf(spec, fetched), ...directKernelOf(spec, fetched) },
      hasVhost: vhost !== undefined,
      ...(hardware ? { hardware } : {}),
    },
    program: ports.machine.program,
    runAs: owner,
    shared: [
      ...readable.map(({ path, gid }) => ({ path, gid, access: 'read' as const })),
      ...[kvm, vhost].filter((device) => device !== undefined),
    ],
    memlockMib: planMemlockMib(spec),
    startTimeoutMs: planStartTimeoutMs(spec, hardware),
    endTimeoutMs: planEndTimeoutMs(spec),
    ...(context.connected === undefined ? {} : { connected: context.connected }),
    ...(record().memoryFile === MemoryFile.SAVED ? { memory: { path: paths.memory, onLoaded } } : {}),
  })
  return noteOf(context, handle)
}

async function noteOf({ ports, spec }: StepContext, handle: GuestHandle): Promise<Partial<InstanceRecord>> {
  await ports.files.remove(instancePaths(ports.directories, spec.uid).memory)
  const process = processRecordOf(handle, await ports.processes.bootId())
  return { process, guestDisks: spec.disks, memoryFile: MemoryFile.UNSPECIFIED }
}

/**
 * What an agent started and did not live to note down. One that went on from its memory is the guest itself. One that has
 * not begun is made anew, from the same memory. Any other is in an unknown state: a fresh one is not.
 */
async function takeOver(context: StepContext): Promise<GuestHandle | undefined> {
  const { ports, record, change } = context
  const isUsed = record().memoryFile === MemoryFile.USED
  const leftover = await findGuest(ports, record())
  const status = leftover && isUsed ? await ports.hypervisor.status(leftover) : undefined
  if (leftover && (status?.kind === 'running' || status?.kind === 'paused')) {
    if (status.kind === 'paused') await ports.hypervisor.resume(leftover)
    return leftover
  }
  if (leftover) await ports.hypervisor.kill(leftover)
  if (status?.kind === 'prelaunch') await change({ memoryFile: MemoryFile.SAVED })
  else if (record().memoryFile !== MemoryFile.SAVED) await dropMemory(context)
  return undefined
}

/** A device that udev has given to a group; what is root's own is not handed out. */
async function sharedDevice({ files }: InstancePorts, path: string): Promise<SharedFile | undefined> {
  const info = await files.stat(path)
  const isOpen = info !== undefined && info.gid > 0 && (info.mode & 0o060) === 0o060
  return isOpen ? { path, gid: info.gid, access: 'read-write' } : undefined
}

function directKernelOf(spec: InstanceSpec, fetched: Fetched) {
  const kernel = fetched.blobs.get('kernel')
  const initrd = fetched.blobs.get('initrd')
  if (!kernel || !initrd) return {}
  const commandLine = bootImage(spec)?.directKernel?.commandLine ?? ''
  return { directKernel: { kernelPath: kernel.path, initrdPath: initrd.path, commandLine } }
}
