import type { InstanceDetails } from './instance.ts'

/** What a filter can ask for beside an instance's own columns: names and values, some with more than one. */
export function attributesOf(details: InstanceDetails): readonly (readonly [string, string])[] {
  const { type, hostname, displayName, labels } = details
  return [
    // The path, and its last part: both are written.
    ...[...new Set([type, type.slice(type.lastIndexOf('/') + 1)])].map((value) => ['type', value] as const),
    ['hostname', hostname],
    ...(displayName === undefined ? [] : [['displayName', displayName] as const]),
    ...Object.entries(labels).map(([key, value]) => [`labels.${key}`, value] as const),
  ]
}
