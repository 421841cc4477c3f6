// Images that an operator registers: where hosts fetch them from, and what their bytes must be.

import type { Readable } from 'node:stream'
import { resourceUid } from '../../../proto/ids.ts'
import { isImageUrl } from '../../admission/catalogue-problems.ts'
import type { CreateImage } from '../../admission/resource-requests.ts'
import { refuse } from '../../errors.ts'
import type { CatalogueImage } from '../../model/catalogue.ts'
import { scopeOf } from '../../model/resource.ts'
import { done, type Outcome } from '../outcome.ts'
import type { OperationPorts } from '../ports.ts'
import type { Planned } from './change-resource.ts'

export function planImage(
  { id, ...body }: CreateImage,
  { clock, random, uploads }: Pick<OperationPorts, 'clock' | 'random' | 'uploads'>,
): Planned {
  if (body.url === undefined && uploads === undefined) return refuse('UPLOADS_DISABLED', {}, 'url')
  if (body.url !== undefined && !isImageUrl(body.url)) {
    const message = 'An image is fetched from http://…, https://… or file:///….'
    return refuse('INVALID_VALUE', { message }, 'url')
  }
  return done([
    {
      uid: resourceUid(random.uuid()),
      ...{ collection: 'images', scope: scopeOf.region, id, nowMs: clock.nowMs() },
      body: {
        ...body,
        ...(body.url === undefined
          ? { url: `${uploads?.url ?? ''}/v1/blobs/${body.sha256}`, isUploaded: true, isPending: true }
          : {}),
        architecture: body.architecture ?? 'x86_64',
        metadataFlavour: body.metadataFlavour ?? 'NOCLOUD',
      },
    },
  ])
}

/** Takes the bytes of an image that waits for them. */
export async function uploadImage(
  image: CatalogueImage,
  source: Readable,
  { uploads, store, catalogue, clock }: Pick<OperationPorts, 'uploads' | 'store' | 'catalogue' | 'clock'>,
): Promise<Outcome<undefined>> {
  if (image.isPending !== true) return refuse('IMAGE_READY', { image: image.id })
  if (uploads === undefined) return refuse('UPLOADS_DISABLED', {})
  const outcome = await uploads.blobs.write(image.sha256, source)
  switch (outcome.kind) {
    case 'kept':
      await store.updateResource({ uid: image.meta.uid, patch: { isPending: null }, nowMs: clock.nowMs() })
      await catalogue.refresh()
      return done(undefined)
    case 'mismatch':
      return refuse('CHECKSUM_MISMATCH', { wanted: image.sha256, found: outcome.sha256 })
    case 'too-large':
      return refuse('BODY_TOO_LARGE', outcome)
    case 'no-space':
      return refuse('TRY_AGAIN', { message: 'The disk for images is full: an operator has to make room.' })
    case 'cut':
      return refuse('MALFORMED_REQUEST', { message: 'The upload ended before its end; send it again.' })
  }
}

/** Its bytes go with the last image that has them; hosts keep what they have fetched. */
export async function forgetBytes(
  image: CatalogueImage,
  { uploads, catalogue }: Pick<OperationPorts, 'uploads' | 'catalogue'>,
): Promise<void> {
  const isShared = catalogue.images.some(({ sha256, isUploaded }) => isUploaded && sha256 === image.sha256)
  if (image.isUploaded === true && !isShared) await uploads?.blobs.remove(image.sha256)
}

/** The types whose default it is: they would make instances without a boot disk. */
export const typesThatBoot = (
  image: string,
  { catalogue }: Pick<OperationPorts, 'catalogue'>,
): readonly { readonly noun: string; readonly id: string }[] =>
  [
    ...catalogue.zones.flatMap((zone) => zone.instanceTypes),
    ...catalogue.projects.flatMap((project) => project.instanceTypes),
  ]
    .filter((type) => type.defaultImage === image)
    .map(({ id }) => ({ noun: 'instance type', id }))
