// What the flags of `instances update` mean, as a merge patch of what the instance is now.
import type { Instance } from '../client/resources.ts'
import { usageError } from '../exit-codes.ts'
import { parsePairs, readIfFile } from './create-request.ts'

export interface UpdateFlags {
  readonly metadata?: readonly string[]
  readonly removeMetadata?: readonly string[]
  readonly label?: readonly string[]
  readonly removeLabel?: readonly string[]
  readonly displayName?: string
  readonly description?: string
}

export function makeUpdatePatch(
  flags: UpdateFlags,
  { before, readFile }: { before: Instance; readFile: (path: string) => string },
): object {
  const patch = {
    ...(flags.displayName === undefined ? {} : { displayName: flags.displayName || null }),
    ...(flags.description === undefined ? {} : { description: flags.description || null }),
    ...patchLabels(flags),
    ...patchMetadata(flags, { before, readFile }),
  }
  if (Object.keys(patch).length === 0) {
    throw usageError(
      'Nothing to change: give --metadata, --label, --display-name or another flag (see --help).',
    )
  }
  return patch
}

export function patchLabels({
  label = [],
  removeLabel = [],
}: Pick<UpdateFlags, 'label' | 'removeLabel'>): object {
  if (label.length + removeLabel.length === 0) return {}
  const removed = removeLabel.map((key) => [key, null] as const)
  return { labels: Object.fromEntries([...parsePairs('--label', label), ...removed]) }
}

/** A list is replaced as a whole: what is not named stays because it is sent again. */
function patchMetadata(
  { metadata = [], removeMetadata = [] }: UpdateFlags,
  { before, readFile }: { before: Instance; readFile: (path: string) => string },
): object {
  if (metadata.length + removeMetadata.length === 0) return {}
  const items = new Map(before.instanceMetadata.map(({ key, value }) => [key, value]))
  for (const key of removeMetadata) {
    if (!items.delete(key)) throw usageError(`--remove-metadata ${key}: the instance has no such key.`)
  }
  for (const [key, value] of parsePairs('--metadata', metadata))
    items.set(key, readIfFile(value, { readFile }))
  return { instanceMetadata: [...items].map(([key, value]) => ({ key, value })) }
}
