import { create } from '@bufbuild/protobuf'
import { type Image, ImageSchema } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type ResourceUid, type ZoneId, zoneId } from '../../proto/ids.ts'
import { type Problem, problem } from '../errors.ts'
import type { DiskRecord } from '../model/disk.ts'
import { patchLabels } from '../model/label-patch.ts'
import type { CreateDiskRequest, DiskPatch } from './disk-request.ts'
import { resolveImage } from './image.ts'
import { checkLabels } from './labels.ts'
import { patched } from './patch.ts'
import { type AdmissionContext, type Resolution, refusedWith, resolved } from './resolution.ts'
import { resourcePaths } from './resource-path.ts'
import { renderImage } from './spec.ts'

type Context = Pick<AdmissionContext, 'catalogue' | 'project' | 'serverHost'>

export interface AdmittedDisk {
  readonly zone: ZoneId
  readonly sizeGb: number
  readonly labels: DiskRecord['labels']
  readonly imageUid?: ResourceUid
  readonly source?: string
  readonly image?: Image
  readonly description?: string
}

/** A disk without open questions, or every reason why not. */
export function admitDisk(request: CreateDiskRequest, context: Context): Resolution<AdmittedDisk> {
  const { sourceImage, description, labels = {} } = request
  const zone = resolveZone(request.zone, context)
  const image = sourceImage === undefined ? undefined : resolveImage(sourceImage, 'sourceImage', context)
  const source = image?.kind === 'resolved' ? image.value : undefined
  const sizeGb = request.sizeGb ?? source?.sizeGb
  const problems: Problem[] = [
    ...(zone.kind === 'refused' ? zone.problems : []),
    ...(image?.kind === 'refused' ? image.problems : []),
    ...checkLabels(labels),
  ]
  if (sizeGb === undefined && image === undefined) problems.push(problem('DISK_SIZE_REQUIRED', {}, 'sizeGb'))
  if (source !== undefined && sizeGb !== undefined && sizeGb < source.sizeGb) {
    const sizes = { sizeGb, minimumGb: source.sizeGb, image: source.id }
    problems.push(problem('DISK_TOO_SMALL', sizes, 'sizeGb'))
  }
  if (problems.length > 0 || zone.kind === 'refused' || sizeGb === undefined) return refusedWith(...problems)
  return resolved({
    ...{ zone: zone.value, sizeGb, labels },
    ...(description === undefined ? {} : { description }),
    ...(source === undefined
      ? {}
      : {
          image: create(ImageSchema, renderImage(source)),
          imageUid: source.meta.uid,
          source: resourcePaths(context.catalogue.region).image(source.id),
        }),
  })
}

function resolveZone(text: string | undefined, { catalogue, serverHost }: Context): Resolution<ZoneId> {
  const { zones, region } = catalogue
  const [only] = zones
  const known = zones.map(({ id }) => id)
  if (text === undefined) {
    if (only !== undefined && zones.length === 1) return resolved(zoneId(only.id))
    return refusedWith(
      problem('MISSING_FIELD', { name: 'zone', why: `there is ${known.join(', ')}` }, 'zone'),
    )
  }
  const prefix = resourcePaths(region).zone('')
  const path = text.replace(`https://${serverHost}`, '').replace(`http://${serverHost}`, '')
  const id = path.startsWith(prefix) ? path.slice(prefix.length) : path
  return known.includes(id)
    ? resolved(zoneId(id))
    : refusedWith(problem('REFERENCE_NOT_FOUND', { what: 'Zone', id, known }, 'zone'))
}

export interface PatchedDisk {
  readonly sizeGb: number
  readonly labels: DiskRecord['labels']
  readonly description?: string
}

/** The disk with a merge patch in it. */
export function patchDisk(before: DiskRecord, patch: DiskPatch): Resolution<PatchedDisk> {
  const { sizeGb = before.sizeGb } = patch
  const labels = patchLabels(before.labels, patch.labels)
  const description = patched(before.description, patch.description)
  const problems = [...checkLabels(labels)]
  if (sizeGb < before.sizeGb) {
    problems.push(problem('DISK_SHRINK', { id: before.id, sizeGb, presentGb: before.sizeGb }, 'sizeGb'))
  }
  if (problems.length > 0) return refusedWith(...problems)
  return resolved({ sizeGb, labels, ...(description === undefined ? {} : { description }) })
}

/** Names that the machine uses itself. */
export function checkDeviceName(name: string | undefined): readonly Problem[] {
  if (name === undefined || !/^(rng|scsi|nic|gpu|spare)\d+$/.test(name)) return []
  const message = `"${name}" is the name of another device of the machine; choose another.`
  return [problem('INVALID_VALUE', { message }, 'deviceName')]
}
