export type Labels = Readonly<Record<string, string>>

/** A merge patch of labels: what is null goes. */
export type LabelPatch = Readonly<Record<string, string | null>> | null

export function patchLabels(before: Labels, patch: LabelPatch | undefined): Labels {
  if (patch === undefined) return before
  const merged = Object.entries({ ...(patch === null ? {} : before), ...patch })
  return Object.fromEntries(merged.filter((entry): entry is [string, string] => entry[1] !== null))
}
