import type { Problem } from '../errors.ts'
import type { InstanceDetails } from '../model/instance.ts'
import { patchLabels } from '../model/label-patch.ts'
import type { InstancePatch } from './instance-request.ts'
import { checkLabels } from './labels.ts'
import { checkMetadata } from './metadata.ts'

export type PatchedDetails =
  | { readonly kind: 'patched'; readonly details: InstanceDetails }
  | { readonly kind: 'refused'; readonly problems: readonly [Problem, ...Problem[]] }

/** The details with a merge patch in them, if the whole is as a create would take it. */
export function patchDetails(before: InstanceDetails, patch: InstancePatch): PatchedDetails {
  const { displayName: _name, description: _text, ...rest } = before
  const displayName = patched(before.displayName, patch.displayName)
  const description = patched(before.description, patch.description)
  const labels = patchLabels(before.labels, patch.labels)
  const instanceMetadata = patched(before.instanceMetadata, patch.instanceMetadata) ?? []
  const [first, ...others] = [
    ...checkLabels(labels),
    ...(patch.instanceMetadata === undefined ? [] : checkMetadata(instanceMetadata)),
  ]
  if (first !== undefined) return { kind: 'refused', problems: [first, ...others] }
  const details = {
    ...rest,
    ...(displayName === undefined ? {} : { displayName }),
    ...(description === undefined ? {} : { description }),
    labels,
    instanceMetadata,
  }
  return { kind: 'patched', details }
}

export const patched = <Value>(
  before: Value | undefined,
  patch: Value | null | undefined,
): Value | undefined => (patch === undefined ? before : (patch ?? undefined))
