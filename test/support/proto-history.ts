import { spawnSync } from 'node:child_process'

/**
 * buf's breaking-change check against the last release, or, before the first, against the commit before. A tree
 * without history (an unpacked archive) has nothing to be compared with.
 */
export function compareProtoWithHistory(): { ok: boolean; output: string } {
  const released = git(['describe', '--tags', '--abbrev=0', '--match', 'v*'])
  const base = released ?? git(['rev-parse', '--verify', '--quiet', 'HEAD~1']) ?? git(['rev-parse', 'HEAD'])
  if (base === undefined) return { ok: true, output: 'no history to compare with' }
  const result = spawnSync('buf', ['breaking', '--against', `.git#ref=${base}`], { encoding: 'utf8' })
  return { ok: result.status === 0, output: `${result.stdout}${result.stderr}` }
}

function git(args: readonly string[]): string | undefined {
  const result = spawnSync('git', args, { encoding: 'utf8' })
  return result.status === 0 ? result.stdout.trim() : undefined
}
