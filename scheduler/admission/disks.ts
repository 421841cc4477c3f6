import { type Problem, problem } from '../errors.ts'
import type { CatalogueImage, InstanceType } from '../model/catalogue.ts'
import type { DiskRecord } from '../model/disk.ts'
import type { InstanceDisk } from '../model/instance.ts'
import { insteadOf, resolveImage } from './image.ts'
import type { DiskRequest } from './instance-request.ts'
import {
  type AdmissionContext,
  allResolved,
  type Resolution,
  refusedWith,
  resolved,
  resolveReference,
} from './resolution.ts'
import { parseReference, resourcePaths } from './resource-path.ts'
import { useDetails } from './spec.ts'

export interface ResolvedDisk {
  readonly details: InstanceDisk
  readonly image?: CatalogueImage
  /** A disk that is there already. */
  readonly volume?: DiskRecord
}

/** The disks with every default filled in; without any in the request, the type's boot disk. */
export function resolveDisks(
  disks: readonly DiskRequest[],
  type: InstanceType | undefined,
  context: AdmissionContext,
): Resolution<readonly ResolvedDisk[]> {
  if (disks.length === 0) return resolveDefaultDisk(type, context)
  const marked = disks.filter((disk) => disk.boot === true).length
  const bootIndex = disks.findIndex((disk) => (marked > 0 ? disk.boot === true : disk.boot === undefined))
  const together = allResolved(
    disks.map((disk, index) => resolveDisk({ disk, index, boot: index === bootIndex }, context)),
  )
  const problems: Problem[] = []
  if (marked > 1) problems.push(problem('SEVERAL_BOOT_DISKS', { count: marked }, 'disks'))
  if (bootIndex === -1) {
    problems.push(
      problem('INVALID_VALUE', { message: 'Every disk says "boot": false; mark one to boot from.' }, 'disks'),
    )
  }
  if (problems.length === 0) return together
  return refusedWith(...problems, ...(together.kind === 'refused' ? together.problems : []))
}

function resolveDefaultDisk(
  type: InstanceType | undefined,
  context: AdmissionContext,
): Resolution<readonly ResolvedDisk[]> {
  // The unknown type is a problem of its own; what its image would have been can't be said.
  if (type === undefined) return resolved([])
  const { defaultImage } = type
  if (defaultImage === undefined) {
    return refusedWith(problem('NO_DEFAULT_IMAGE', { type: type.id }, 'disks'))
  }
  return allResolved([resolveDisk({ disk: { source: defaultImage }, index: 0, boot: true }, context)])
}

function resolveDisk(
  { disk, index, boot }: { disk: DiskRequest; index: number; boot: boolean },
  context: AdmissionContext,
): Resolution<ResolvedDisk> {
  const field = `disks[${index}]`
  const volume =
    disk.source === undefined ? undefined : resolveVolume(disk.source, `${field}.source`, context)
  if (volume?.kind === 'refused') return volume
  if (volume?.value !== undefined) return resolveUse({ disk, index, boot, volume: volume.value }, context)
  const image = disk.source === undefined ? undefined : resolveImage(disk.source, `${field}.source`, context)
  if (image?.kind === 'refused') return image

  const sizeGb = disk.sizeGb ?? image?.value.sizeGb
  const problems: Problem[] = []
  if (sizeGb === undefined) problems.push(problem('DISK_SIZE_REQUIRED', {}, `${field}.sizeGb`))
  if (boot && image === undefined) problems.push(problem('BOOT_DISK_NEEDS_SOURCE', {}, `${field}.source`))
  if (image !== undefined && sizeGb !== undefined && sizeGb < image.value.sizeGb) {
    const minimumGb = image.value.sizeGb
    problems.push(problem('DISK_TOO_SMALL', { sizeGb, minimumGb, image: image.value.id }, `${field}.sizeGb`))
  }
  if (problems.length > 0 || sizeGb === undefined) return refusedWith(...problems)

  const details: InstanceDisk = {
    deviceName: `disk${index}`,
    sizeGb,
    interface: disk.interface ?? 'VIRTIO',
    ...(image === undefined ? {} : { source: resourcePaths(context.catalogue.region).image(image.value.id) }),
    boot,
    type: disk.type ?? 'PERSISTENT',
    mode: disk.mode ?? 'READ_WRITE',
    autoDelete: true,
  }
  return resolved({ details, ...(image === undefined ? {} : { image: image.value }) })
}

/** undefined where the text names no disk. A bare id that is a disk's and an image's could mean either. */
function resolveVolume(
  text: string,
  field: string,
  context: AdmissionContext,
): Resolution<DiskRecord | undefined> {
  const reference = parseReference(text, 'disks', context.serverHost)
  const isPath = reference.kind === 'path'
  if (reference.kind === 'malformed') return resolved(undefined)
  const resolution = resolveReference({ text, field, collection: 'disks' }, context)
  if (resolution.kind === 'refused') return resolution
  const { id } = resolution.value
  const volume = context.disks?.find((candidate) => candidate.id === id)
  if (volume === undefined) {
    return isPath
      ? refusedWith(problem('REFERENCE_NOT_FOUND', { what: 'Disk', id }, field))
      : resolved(undefined)
  }
  const isImageToo = !isPath && context.catalogue.images.some((image) => image.id === id)
  const where = ['images', `disks of project ${context.project.id}`]
  return isImageToo
    ? refusedWith(problem('REFERENCE_AMBIGUOUS', { what: 'The source', id, where }, field))
    : resolved(volume)
}

function resolveUse(
  use: {
    disk: DiskRequest
    index: number
    boot: boolean
    volume: DiskRecord
  },
  { catalogue }: AdmissionContext,
): Resolution<ResolvedDisk> {
  const { disk, index, boot, volume } = use
  const field = `disks[${index}]`
  if (disk.sizeGb !== undefined && disk.sizeGb !== volume.sizeGb) {
    const message = `The disk ${volume.id} has ${volume.sizeGb} GB; leave sizeGb out, or resize the disk first.`
    return refusedWith(problem('INVALID_VALUE', { message }, `${field}.sizeGb`))
  }
  if (disk.type === 'SCRATCH') {
    const message = `The disk ${volume.id} outlives its instances, so it can't be SCRATCH; leave type out.`
    return refusedWith(problem('INVALID_VALUE', { message }, `${field}.type`))
  }
  if (boot && volume.source === undefined && !volume.isMade) {
    return refusedWith(problem('BOOT_DISK_NEEDS_SOURCE', {}, `${field}.source`))
  }
  return resolved({
    details: useDetails(volume, catalogue.region, { ...disk, deviceName: `disk${index}`, boot }),
    volume,
  })
}

/** What the owner should know about disks that are made as asked. */
export function diskWarnings(disks: readonly ResolvedDisk[]): readonly string[] {
  const readOnly = disks
    .filter(({ details }) => details.boot && details.mode === 'READ_ONLY')
    .map(
      ({ details }) =>
        `Warning: the boot disk ${details.deviceName} is READ_ONLY as asked; most systems do not boot from one.`,
    )
  const deprecated = disks.flatMap(({ image }) =>
    image?.deprecation?.state === 'DEPRECATED'
      ? [`Warning: the image ${image.id} is deprecated${insteadOf(image)}.`]
      : [],
  )
  return [...readOnly, ...deprecated]
}
