// Images that an operator registers: where hosts fetch them from, and what their bytes must be.
import { resourceUid } from '../../../proto/ids.ts'
import { isImageUrl } from '../../admission/catalogue-problems.ts'
import type { CreateImage } from '../../admission/resource-requests.ts'
import { refuse } from '../../errors.ts'
import { scopeOf } from '../../model/resource.ts'
import { done } from '../outcome.ts'
import type { OperationPorts } from '../ports.ts'
import type { Planned } from './change-resource.ts'

export function planImage(
  { id, ...body }: CreateImage,
  { clock, random }: Pick<OperationPorts, 'clock' | 'random'>,
): Planned {
  if (!isImageUrl(body.url)) {
    const message = 'An image is fetched from http://…, https://… or file:///….'
    return refuse('INVALID_VALUE', { message }, 'url')
  }
  return done([
    {
      uid: resourceUid(random.uuid()),
      ...{ collection: 'images', scope: scopeOf.region, id, nowMs: clock.nowMs() },
      body: { ...body, architecture: body.architecture ?? 'x86_64', metadataFlavour: 'nocloud' },
    },
  ])
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
