import { type Problem, problem } from '../errors.ts'
import type { DiskRecord } from '../model/disk.ts'
import type { Demand } from '../model/placement.ts'
import type { ResolvedDisk } from './disks.ts'

/** What placement must know of disks that are there already; undefined where there are none. */
export function volumeDemand(disks: readonly ResolvedDisk[]): Demand['volumes'] {
  const volumes = disks.flatMap(({ volume }) => volume ?? [])
  if (volumes.length === 0) return undefined
  const hostId = volumes.find((volume) => volume.hostId !== undefined)?.hostId
  const newGb = volumes.reduce((sum, volume) => sum + (volume.hostId === undefined ? volume.sizeGb : 0), 0)
  return { newGb, ...(hostId === undefined ? {} : { hostId }) }
}

/** Why these disks can't be in one instance of the zone. */
export function checkVolumes(disks: readonly ResolvedDisk[], zone: string): readonly Problem[] {
  const home = volumeDemand(disks)?.hostId
  return disks.flatMap(({ volume, details }, index) => {
    if (volume === undefined) return []
    const field = `disks[${index}].source`
    const isTwice = disks.findIndex((other) => other.volume?.uid === volume.uid) < index
    if (isTwice) {
      return [
        problem('INVALID_VALUE', { message: `The disk ${volume.id} is named twice; name it once.` }, field),
      ]
    }
    return checkVolume({ volume, zone, home, isReadOnly: details.mode === 'READ_ONLY' }, field)
  })
}

function checkVolume(
  one: { volume: DiskRecord; zone: string; home: string | undefined; isReadOnly: boolean },
  field: string,
): readonly Problem[] {
  const { volume, zone, home } = one
  const { id, user, status } = volume
  if (status !== 'READY') {
    const message = `The disk ${id} is ${status}: ${volume.statusMessage}`
    return [problem('WRONG_STATE', { message }, field)]
  }
  if (user !== undefined) {
    const message = `The disk ${id} belongs to instance ${user.id} at this moment: detach it there first.`
    return [problem('DISK_IN_USE', { message }, field)]
  }
  if (volume.zone !== zone) return [problem('WRONG_ZONE', { given: volume.zone, zone }, field)]
  if (volume.hostId !== undefined && volume.hostId !== home) {
    const message = `The disk ${id} is on another host than the disks before it: no instance can have both.`
    return [problem('DISK_ON_OTHER_HOST', { message }, field)]
  }
  return []
}
