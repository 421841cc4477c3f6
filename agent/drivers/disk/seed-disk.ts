// The disk that tells a guest what it is: a small FAT file system that cloud-init knows by its label. qemu-img writes it,
// which makes the guest's other disks too.
import { type Exec, ExecError, type Files } from '../../host/ports.ts'
import { DiskError, type SeedDiskPlan } from './port.ts'

/** As one floppy disk: without partitions, and always of the same size, so that a saved guest finds the same machine. */
const fileSystem = 'label=cidata,fat-type=12,floppy=on'
const capacityBytes = 1_400_000

interface SeedDiskOptions {
  readonly exec: Exec
  readonly files: Files
  readonly disk: SeedDiskPlan
}

export async function writeSeedDisk({ exec, files, disk }: SeedDiskOptions): Promise<void> {
  refuseTooLarge(disk)
  await removeDrafts(files, disk.path)
  const { folder, draft } = draftsOf(disk.path)
  try {
    await files.makeDirectory(folder, { mode: 0o700 })
    for (const [name, text] of Object.entries(disk.files)) {
      await files.writeAtomic(`${folder}/${name}`, text, { durable: false })
    }
    const source = `driver=vvfat,dir=${folder.replaceAll(',', ',,')},${fileSystem}`
    await exec.run('qemu-img', ['convert', '-q', '-O', 'raw', '--image-opts', source, draft])
    await files.changeMode(draft, 0o400)
    await files.changeOwner(draft, disk.owner)
    await files.rename(draft, disk.path)
  } catch (thrown) {
    if (thrown instanceof ExecError && /no space left/i.test(thrown.stderr)) {
      throw new DiskError('DISK_FULL', "The host's disk is full: free some space there.", { cause: thrown })
    }
    throw thrown
  } finally {
    await removeDrafts(files, disk.path)
  }
}

export async function removeSeedDisk(files: Files, path: string): Promise<void> {
  await removeDrafts(files, path)
  await files.remove(path)
}

const draftsOf = (path: string) => ({ folder: `${path}.files`, draft: `${path}.new` })

async function removeDrafts(files: Files, path: string): Promise<void> {
  const { folder, draft } = draftsOf(path)
  await files.remove(folder)
  await files.remove(draft)
}

/** What a tenant may give fits, unless writing it as JSON makes it much longer. */
function refuseTooLarge({ files }: SeedDiskPlan): void {
  const sizeBytes = Object.values(files).reduce((sum, text) => sum + Buffer.byteLength(text), 0)
  if (sizeBytes <= capacityBytes) return
  throw new DiskError(
    'METADATA_TOO_LARGE',
    `Its metadata takes ${sizeBytes} bytes on the disk for it, which holds ${capacityBytes}: make user-data or startup-script smaller.`,
  )
}
