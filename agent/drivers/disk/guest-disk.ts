// A guest's own disk: a qcow2 over an image, or blank. Made under another name and renamed when it is whole. Once
// a guest has had it, its content is the guest's: it is read by our own parser, and changed only as the guest's user.
import { type Exec, ExecError, type Files } from '../../host/ports.ts'
import { DiskError, type DiskPlan } from './port.ts'
import { parseVirtualBytes, qcow2HeaderBytes } from './qcow2-header.ts'

/** A new qcow2 takes some hundred KiB; with less than this free, failing to make it has one reason. */
const leastFreeBytes = 16 * 1024 ** 2

interface GuestDiskOptions {
  readonly exec: Exec
  readonly files: Files
  readonly disk: DiskPlan
}

export async function ensureGuestDisk(options: GuestDiskOptions): Promise<void> {
  const { files, disk } = options
  const sizeBytes = disk.sizeGb * 1024 ** 3
  if (disk.base && disk.base.virtualBytes > sizeBytes) {
    const neededGb = Math.ceil(disk.base.virtualBytes / 1024 ** 3)
    throw new DiskError(
      'IMAGE_LARGER_THAN_DISK',
      `The image holds a disk of ${neededGb} GB and does not fit into ${disk.sizeGb} GB: ask for a disk of at least ${neededGb} GB.`,
    )
  }
  if (await files.stat(disk.path)) await growDisk(options, sizeBytes)
  else await makeDisk(options, sizeBytes)
}

async function makeDisk({ exec, files, disk }: GuestDiskOptions, sizeBytes: number): Promise<void> {
  const draft = `${disk.path}.new`
  await files.remove(draft)
  try {
    await refuseWhenFull(files, disk)
    // -u: the image's header is not read again, and the size is given. What it writes is synced when it ends.
    const base = disk.base ? ['-u', '-F', disk.base.format, '-b', disk.base.path] : []
    await exec.run('qemu-img', ['create', '-q', '-f', 'qcow2', ...base, draft, String(sizeBytes)])
    await files.changeMode(draft, 0o600)
    await files.changeOwner(draft, disk.owner)
    await files.rename(draft, disk.path)
  } catch (thrown) {
    // The draft itself may be what fills the disk.
    const full = await isFull(files, disk)
    await files.remove(draft)
    throw full && thrown instanceof ExecError ? diskFull(disk, thrown) : thrown
  }
}

async function growDisk({ exec, files, disk }: GuestDiskOptions, sizeBytes: number): Promise<void> {
  const presentBytes = parseVirtualBytes(await files.readRange(disk.path, 0, qcow2HeaderBytes))
  if (presentBytes === undefined) {
    throw new Error(
      `${disk.path} is not a qcow2 file: restore it, or delete the instance and create it again.`,
    )
  }
  if (presentBytes >= sizeBytes) return
  const groups = disk.base ? ['--groups', String(disk.base.gid)] : ['--clear-groups']
  const identity = ['--reuid', String(disk.owner.uid), '--regid', String(disk.owner.gid), ...groups]
  const bounds = ['--no-new-privs', '--inh-caps=-all', '--bounding-set=-all']
  const resize = ['qemu-img', 'resize', '-q', '-f', 'qcow2', disk.path, String(sizeBytes)]
  try {
    await refuseWhenFull(files, disk)
    await exec.run('setpriv', [...identity, ...bounds, ...resize])
  } catch (thrown) {
    throw thrown instanceof ExecError && (await isFull(files, disk)) ? diskFull(disk, thrown) : thrown
  }
}

async function refuseWhenFull(files: Files, disk: DiskPlan): Promise<void> {
  if (await isFull(files, disk)) throw diskFull(disk)
}

async function isFull(files: Files, disk: DiskPlan): Promise<boolean> {
  return (await files.freeBytes(disk.path.slice(0, disk.path.lastIndexOf('/')))) < leastFreeBytes
}

function diskFull(disk: DiskPlan, cause?: Error): DiskError {
  const message = `The host's disk is full: a disk of ${disk.sizeGb} GB can't be made. Free some space there, or create the instance on another host.`
  return new DiskError('DISK_FULL', message, cause && { cause })
}
