// A guest's own disk: a qcow2 over an image, or blank. Made under another name and renamed when it is whole. Once
// a guest has had it, its content is the guest's: it is read by our own parser, and changed only as the guest's user.
import { type Exec, ExecError, type Files } from '../../host/ports.ts'
import { type CachedImage, DiskError, type DiskPlan } from './port.ts'
import { parseVirtualBytes, qcow2HeaderBytes } from './qcow2-header.ts'

/** A new qcow2 takes some hundred KiB; with less than this free, failing to make it has one reason. */
const leastFreeBytes = 16 * 1024 ** 2

/** Of an image of many gigabytes on a slow disk. */
const copyTimeoutMs = 30 * 60_000

interface GuestDiskOptions {
  readonly exec: Exec
  readonly files: Files
  readonly disk: DiskPlan
}

export async function ensureGuestDisk(options: GuestDiskOptions): Promise<void> {
  const { files, disk } = options
  if (disk.volume) await files.makeDirectory(directoryOf(disk), { mode: 0o711 })
  const sizeBytes = disk.sizeGb * 1024 ** 3
  if (disk.base && disk.base.virtualBytes > sizeBytes) {
    const neededGb = Math.ceil(disk.base.virtualBytes / 1024 ** 3)
    throw new DiskError(
      'IMAGE_LARGER_THAN_DISK',
      `The image holds a disk of ${neededGb} GB and does not fit into ${disk.sizeGb} GB: ask for a disk of at least ${neededGb} GB.`,
    )
  }
  if (await files.stat(disk.path)) {
    if (disk.volume) await files.changeOwner(disk.path, disk.owner)
    await growDisk(options, sizeBytes)
    return
  }
  if (disk.volume?.mustExist) {
    throw new DiskError(
      'DISK_LOST',
      `Its data is not on the host any more (${disk.path}): restore the file there, or delete the disk.`,
    )
  }
  await makeDisk(options, sizeBytes)
}

async function makeDisk({ exec, files, disk }: GuestDiskOptions, sizeBytes: number): Promise<void> {
  const draft = `${disk.path}.new`
  await files.remove(draft)
  try {
    await refuseWhenFull(files, disk)
    // -u: the image's header is not read again, and the size is given. What it writes is synced when it ends.
    const base = disk.base && !disk.volume ? ['-u', '-F', disk.base.format, '-b', disk.base.path] : []
    await exec.run('qemu-img', ['create', '-q', '-f', 'qcow2', ...base, draft, String(sizeBytes)])
    await files.changeMode(draft, 0o600)
    await files.changeOwner(draft, disk.owner)
    if (disk.base && disk.volume) await copyImage({ exec, disk, base: disk.base, draft })
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
      `${disk.path} is not a qcow2 file: restore it, or delete what it belongs to and create it again.`,
    )
  }
  if (presentBytes >= sizeBytes) return
  const resize = ['qemu-img', 'resize', '-q', '-f', 'qcow2', disk.path, String(sizeBytes)]
  try {
    await refuseWhenFull(files, disk)
    await exec.run('setpriv', [...asGuest(disk), ...resize])
  } catch (thrown) {
    throw thrown instanceof ExecError && (await isFull(files, disk)) ? diskFull(disk, thrown) : thrown
  }
}

/** The image's bytes, into a disk that is new and reads as zeros. */
async function copyImage(copy: { exec: Exec; disk: DiskPlan; base: CachedImage; draft: string }) {
  const { base, draft } = copy
  const convert = ['qemu-img', 'convert', '-q', '-n', '--target-is-zero', '-f', base.format, '-O', 'qcow2']
  await copy.exec.run('setpriv', [...asGuest(copy.disk), ...convert, base.path, draft], {
    timeoutMs: copyTimeoutMs,
  })
}

/** What guests have written, and what images hold, is read without any privilege. */
function asGuest({ base, owner }: DiskPlan): readonly string[] {
  const groups = base ? ['--groups', String(base.gid)] : ['--clear-groups']
  const identity = ['--reuid', String(owner.uid), '--regid', String(owner.gid), ...groups]
  return [...identity, '--no-new-privs', '--inh-caps=-all', '--bounding-set=-all']
}

async function refuseWhenFull(files: Files, disk: DiskPlan): Promise<void> {
  if (await isFull(files, disk)) throw diskFull(disk)
}

async function isFull(files: Files, disk: DiskPlan): Promise<boolean> {
  return (await files.freeBytes(directoryOf(disk))) < leastFreeBytes
}

const directoryOf = ({ path }: DiskPlan) => path.slice(0, path.lastIndexOf('/'))

function diskFull(disk: DiskPlan, cause?: Error): DiskError {
  const message = `The host's disk is full: a disk of ${disk.sizeGb} GB can't be made. Free some space there, or create the instance on another host.`
  return new DiskError('DISK_FULL', message, cause && { cause })
}
