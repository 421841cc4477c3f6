import type { Disk } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Pinned } from '../../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { ByteSocket, FileOwner, ProcessIdentity } from '../../host/ports.ts'
import type { DiskBase, MachinePlan } from '../../plan/machine-plan.ts'
import type { InstancePaths } from '../../plan/paths.ts'

/** Something that several guests may use: not the guest's user's own, but open to its group. */
export interface SharedFile {
  readonly path: string
  readonly gid: number
  readonly access: 'read' | 'read-write'
}

/** All that is needed to start one guest; nothing is left to choose. */
export interface GuestPlan {
  readonly machine: MachinePlan
  /** qemu-system-x86_64 */
  readonly program: string
  /** A user and a group of the guest's own. */
  readonly runAs: FileOwner
  readonly shared: readonly SharedFile[]
  /** How much memory it may pin; all of the guest's where devices are passed through. */
  readonly memlockMib: number
  /** Resolves once its NICs are filtered and joined: no vCPU runs before. Where it rejects, the guest is ended. Absent where they are. */
  readonly connected?: Promise<void>
  /** From exec until the vCPUs run. */
  readonly startTimeoutMs: number
  /** As of a GuestPlace. */
  readonly endTimeoutMs: number
  /** What saveMemory has written: the guest goes on from there. */
  readonly memory?: {
    readonly path: string
    /** Called when all of it is loaded, before any vCPU runs. */
    readonly onLoaded: () => Promise<void>
  }
}

/** Which guest, and where what is its own lies. */
export interface GuestPlace {
  readonly instanceUid: string
  readonly paths: InstancePaths
  /** The guest's own user. */
  readonly uid: number
  /** From SIGKILL until its process is gone: the kernel frees its memory before. */
  readonly endTimeoutMs: number
}

/** One guest that was started: all that it takes to speak to it, whoever started it. */
export interface GuestHandle extends GuestPlace {
  readonly process: ProcessIdentity
  /** The systemd unit that holds it, where systemd supervises. */
  readonly unit?: string
  /** libvirt's name for it, where libvirt runs it. */
  readonly domain?: string
}

/** A disk as a guest that runs gets it. */
export interface DiskPlan {
  readonly disk: Disk
  readonly path: string
  readonly pinned: Pinned
  readonly base?: DiskBase
}

/** Serial port 1 with a console on it. */
export interface OpenSerial {
  /** What was written before all that comes out of the socket. */
  readonly unread: Uint8Array
  readonly socket: ByteSocket
}

export type GuestStatus =
  | { readonly kind: 'running' }
  /** vCPUs stand still: its memory is being saved, or an operator has paused it. */
  | { readonly kind: 'paused' }
  /** Made, vCPUs not started yet. */
  | { readonly kind: 'prelaunch' }
  /** The guest powered itself off; QEMU waits (-no-shutdown). */
  | { readonly kind: 'powered-off' }
  /** No such process any more. */
  | { readonly kind: 'gone' }

export type GuestEnd =
  | { readonly kind: 'powered-off' }
  | { readonly kind: 'crashed'; readonly message: string }

/** The guest did not start, or did not do as it was asked: a sentence with the reason. */
export class HypervisorError extends Error {
  override readonly name = 'HypervisorError'
  readonly reason:
    | 'START_FAILED'
    | 'START_TIMEOUT'
    | 'UNRESPONSIVE'
    | 'PLUG_REFUSED'
    | 'UNPLUG_REFUSED'
    | 'DISK_FULL'
    | 'SUSPEND_FAILED'

  constructor(reason: HypervisorError['reason'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.reason = reason
  }
}

/** Runs guests. Guests are no children of the agent in any way that matters: they outlive it. */
export interface HypervisorDriver {
  /** Starts paused, then lets the vCPUs run. @throws HypervisorError, with nothing left running. */
  start(plan: GuestPlan): Promise<GuestHandle>
  /** One that was started by an agent which did not live to say so. */
  find(place: GuestPlace): Promise<GuestHandle | undefined>
  /** Asks a guest that an earlier agent started. Never kills what it does not recognise. */
  status(guest: GuestHandle): Promise<GuestStatus>
  /** Calls once when the guest ends; the result stops watching. */
  watch(guest: GuestHandle, onEnd: (end: GuestEnd) => void): () => void
  /** ACPI power button. */
  powerDown(guest: GuestHandle): Promise<void>
  /** As the reset button does. */
  reset(guest: GuestHandle): Promise<void>
  /** Lets vCPUs that stand still go on. */
  resume(guest: GuestHandle): Promise<void>
  /**
   * Pauses the guest and writes its memory and devices to a file, a qcow2 that is there and empty; all of it is on disk when
   * this resolves, and the guest stands still. @throws HypervisorError, with the guest standing still and the file closed.
   */
  saveMemory(guest: GuestHandle, memoryPath: string): Promise<void>
  /** Gives a guest that runs a disk. @throws HypervisorError, with nothing of it left. */
  plugDisk(guest: GuestHandle, disk: DiskPlan): Promise<void>
  /** Resolves once the guest has let go and the file is closed. @throws HypervisorError where it does not let go. */
  unplugDisk(
    guest: GuestHandle,
    disk: { readonly deviceName: string; readonly signal: AbortSignal },
  ): Promise<void>
  /** Grows a disk under a guest that runs. */
  resizeDisk(
    guest: GuestHandle,
    disk: { readonly deviceName: string; readonly sizeBytes: number },
  ): Promise<void>
  /** Takes at most so many bytes of what was written to serial port 1; a port that a console was left on gets its ring back. */
  readSerial(guest: GuestHandle, maxBytes: number): Promise<Uint8Array>
  /** From then on what is written comes out of the socket, and what is written to it goes to the guest. */
  openSerial(
    guest: GuestHandle,
    /** A path that is free, in a directory that the guest's user passes through and cannot change; and of the ring at most so much. */
    options: { readonly socketPath: string; readonly maxBytes: number },
  ): Promise<OpenSerial>
  /** After the socket is closed: of one that is not, its guest may never be heard again. */
  closeSerial(guest: GuestHandle): Promise<void>
  /** Ends the process; resolves once it is gone. */
  kill(guest: GuestHandle): Promise<void>
}
