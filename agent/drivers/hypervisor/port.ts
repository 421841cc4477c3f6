import type { ByteSocket, ProcessIdentity } from '../../host/ports.ts'
import type { QemuDisk } from '../../plan/qemu-disk.ts'

/** All that is needed to start one guest; nothing is left to choose. */
export interface GuestPlan {
  readonly instanceUid: string
  /** qemu-system-x86_64 and its arguments, as they will run. */
  readonly program: string
  readonly args: readonly string[]
  readonly runAs: {
    readonly uid: number
    readonly gid: number
    readonly supplementaryGids: readonly number[]
  }
  /** How much memory it may pin; all of the guest's where devices are passed through. */
  readonly memlockMib: number
  readonly qmpSocketPath: string
  readonly pidFilePath: string
  /** What QEMU says, where no systemd keeps it. */
  readonly logPath: string
  /** Resolves once its NICs are filtered and joined: no vCPU runs before. Where it rejects, the guest is ended. Absent where they are. */
  readonly connected?: Promise<void>
  /** Host CPUs, as taskset takes them: of each vCPU in order, and of all other threads. Absent where they run anywhere. */
  readonly pinning?: { readonly vcpus: readonly string[]; readonly emulator: string }
  /** From exec until the vCPUs run. */
  readonly startTimeoutMs: number
  /** What saveMemory has written: the guest goes on from there. */
  readonly memory?: {
    readonly path: string
    /** Called when all of it is loaded, before any vCPU runs. */
    readonly onLoaded: () => Promise<void>
  }
}

export interface GuestHandle {
  readonly process: ProcessIdentity
  /** The systemd unit that holds it, where systemd supervises. */
  readonly unit?: string
}

/** Serial port 1 with a console on it. */
export interface OpenSerial {
  /** What was in the ring, before all that comes out of the socket. */
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
  /** Asks a guest that an earlier agent started. Never kills what it does not recognise. */
  status(handle: GuestHandle, qmpSocketPath: string): Promise<GuestStatus>
  /** Calls once when the guest ends; the result stops watching. */
  watch(handle: GuestHandle, qmpSocketPath: string, onEnd: (end: GuestEnd) => void): () => void
  /** ACPI power button. */
  powerDown(handle: GuestHandle, qmpSocketPath: string): Promise<void>
  /** As the reset button does. */
  reset(handle: GuestHandle, qmpSocketPath: string): Promise<void>
  /** Lets vCPUs that stand still go on. */
  resume(handle: GuestHandle, qmpSocketPath: string): Promise<void>
  /**
   * Pauses the guest and writes its memory and devices to a qcow2 that is there and empty; all of it is on disk when this
   * resolves, and the guest stands still. @throws HypervisorError, with the guest standing still and the file closed.
   */
  saveMemory(handle: GuestHandle, qmpSocketPath: string, memoryPath: string): Promise<void>
  /** Gives a guest that runs a disk. @throws HypervisorError, with nothing of it left. */
  plugDisk(handle: GuestHandle, qmpSocketPath: string, disk: QemuDisk): Promise<void>
  /** Resolves once the guest has let go and the file is closed. @throws HypervisorError where it does not let go. */
  unplugDisk(
    handle: GuestHandle,
    qmpSocketPath: string,
    disk: { readonly deviceName: string; readonly signal: AbortSignal },
  ): Promise<void>
  /** Grows a disk under a guest that runs. */
  resizeDisk(
    handle: GuestHandle,
    qmpSocketPath: string,
    disk: { readonly deviceName: string; readonly sizeBytes: number },
  ): Promise<void>
  /** Takes at most so many bytes out of the ring of serial port 1, which gets it back where a console was left on it. */
  readSerial(handle: GuestHandle, qmpSocketPath: string, maxBytes: number): Promise<Uint8Array>
  /** Puts a socket in the place of the ring. */
  openSerial(
    handle: GuestHandle,
    qmpSocketPath: string,
    /** A path that is free, in a directory that the guest's user passes through and cannot change; and of the ring at most so much. */
    options: { readonly socketPath: string; readonly maxBytes: number },
  ): Promise<OpenSerial>
  /** Puts the ring in the place of a socket that is closed; of one that is not, its guest may never be heard again. */
  closeSerial(handle: GuestHandle, qmpSocketPath: string): Promise<void>
  /** Ends the process; resolves once it is gone. */
  kill(handle: GuestHandle, qmpSocketPath: string): Promise<void>
}
