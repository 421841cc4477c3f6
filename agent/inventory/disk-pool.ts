import type { Files } from '../host/ports.ts'
import type { InventorySettings } from './host-facts.ts'
import { nearestDirectory } from './nearest-directory.ts'

const gibibyte = 1024 ** 3
const leastReservedGb = 2
const mostReservedGb = 100

export interface DiskPool {
  readonly totalGb: number
  readonly allocatableGb: number
}

/**
 * The file system of the state directory. What guests may claim is what is free plus what their disks take already,
 * so that it stays the same while disks fill, and is less where others use the file system too.
 */
export async function readDiskPool(options: {
  files: Files
  settings: InventorySettings
}): Promise<DiskPool> {
  const { files, settings } = options
  const directory = await nearestDirectory(files, settings.stateDirectory)
  const [totalBytes, freeBytes, guestBytes] = await Promise.all([
    files.totalBytes(directory),
    files.freeBytes(directory),
    readGuestBytes(files, settings.stateDirectory),
  ])
  const usableGb = Math.floor(Math.min(totalBytes, freeBytes + guestBytes) / gibibyte)
  const twentieth = Math.min(Math.max(Math.ceil(usableGb / 20), leastReservedGb), mostReservedGb)
  return {
    totalGb: Math.floor(totalBytes / gibibyte),
    allocatableGb: Math.max(0, usableGb - (settings.reservedDiskGb ?? twentieth)),
  }
}

/** Guests' disks are qcow2 files: their size is what they take. */
async function readGuestBytes(files: Files, state: string): Promise<number> {
  const instances = await files.list(`${state}/instances`)
  let bytes = 0
  for (const directory of [`${state}/disks`, ...instances.map((uid) => `${state}/instances/${uid}`)]) {
    for (const name of await files.list(directory)) {
      if (!name.endsWith('.qcow2')) continue
      bytes += (await files.stat(`${directory}/${name}`))?.sizeBytes ?? 0
    }
  }
  return bytes
}
