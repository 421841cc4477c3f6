import { problem } from '../errors.ts'
import type { Catalogue, CatalogueImage } from '../model/catalogue.ts'
import {
  type ReferenceContext,
  type Resolution,
  refusedWith,
  resolved,
  resolveReference,
} from './resolution.ts'

/** The newest of a family that is neither deprecated nor obsolete. */
export function newestOfFamily(
  images: readonly CatalogueImage[],
  family: string,
): CatalogueImage | undefined {
  return images
    .filter(
      ({ family: own, deprecation, isPending }) =>
        own === family && isPending !== true && (deprecation?.state ?? 'ACTIVE') === 'ACTIVE',
    )
    .toSorted((a, b) => a.meta.createdAtMs - b.meta.createdAtMs || (a.id < b.id ? -1 : 1))
    .at(-1)
}

/** An image that disks can be made from, by its name or as the newest of its family. */
export function resolveImage(
  text: string,
  field: string,
  context: ReferenceContext & { readonly catalogue: Pick<Catalogue, 'region' | 'images'> },
): Resolution<CatalogueImage> {
  const { images } = context.catalogue
  const family = /^(?<path>.*\/)?family\/(?<family>[^/]+)$/.exec(text)?.groups
  const named = family?.['family']
  // The path of a family is that of an image with a step in between.
  const asImage = named === undefined ? text : `${family?.['path'] ?? ''}${named}`
  const reference = resolveReference({ text: asImage, field, collection: 'images' }, context)
  if (reference.kind === 'refused') return reference
  const { id } = reference.value
  const image =
    named === undefined ? images.find((candidate) => candidate.id === id) : newestOfFamily(images, id)
  if (image === undefined) {
    const known =
      named === undefined
        ? images.map((candidate) => candidate.id)
        : [...new Set(images.flatMap((candidate) => candidate.family ?? []))]
    const what = named === undefined ? 'Image' : 'Image family'
    return refusedWith(problem('REFERENCE_NOT_FOUND', { what, id, known }, field))
  }
  if (image.isPending === true) return refusedWith(problem('IMAGE_NOT_READY', { image: image.id }, field))
  if (image.deprecation?.state === 'OBSOLETE') {
    return refusedWith(problem('IMAGE_OBSOLETE', { image: image.id, instead: insteadOf(image) }, field))
  }
  return resolved(image)
}

/** The end of a sentence about an image that should not be used any more. */
export const insteadOf = ({ deprecation }: CatalogueImage): string =>
  deprecation?.replacement === undefined ? '' : `; use ${deprecation.replacement}`
