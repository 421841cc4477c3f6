import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { describe } from 'vitest'

export interface Needs {
  readonly root?: boolean
  readonly programs?: readonly string[]
  readonly files?: readonly string[]
}

/** What of it this machine lacks, as a phrase; undefined where nothing is missing. */
export function missingOf(needs: Needs): string | undefined {
  const missing = [
    ...(needs.root && process.getuid?.() !== 0 ? ['to run as root'] : []),
    ...(needs.programs ?? []).filter((program) => !isOnPath(program)),
    ...(needs.files ?? []).filter((file) => !isThere(file)),
  ]
  return missing.length === 0 ? undefined : missing.join(', ')
}

/**
 * A `describe` that is skipped where the machine lacks something, with the reason in its name, so that the list of
 * skipped tests explains itself. On CI nothing may be skipped: there the tests run and fail.
 */
export function describeNeeding(needs: Needs, name: string, body: () => void): void {
  const missing = missingOf(needs)
  if (missing === undefined || process.env['CI'] === 'true') describe(name, body)
  else describe.skip(`${name} [needs ${missing}]`, body)
}

function isOnPath(program: string): boolean {
  const folders = `${process.env['PATH'] ?? ''}${delimiter}/usr/sbin${delimiter}/sbin`.split(delimiter)
  return folders.some((folder) => isThere(join(folder, program)))
}

function isThere(path: string): boolean {
  try {
    accessSync(path, constants.R_OK)
    return true
  } catch {
    return false
  }
}
