// `npm run check`: what every commit passes. Everything runs, then all that failed is told at once.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { compareProtoWithHistory } from './support/proto-history.ts'

interface Check {
  readonly name: string
  readonly run: () => { ok: boolean; output: string }
}

const checks: readonly Check[] = [
  { name: 'types', run: () => program('tsc', ['-p', '.', '--noEmit']) },
  { name: 'format and fast lint', run: () => program('biome', ['ci', '--error-on-warnings', '.']) },
  {
    name: 'typed lint',
    run: () => program('eslint', ['--flag', 'unstable_native_nodejs_ts_config', '--max-warnings', '0', '.']),
  },
  { name: 'proto lint', run: () => program('buf', ['lint']) },
  { name: 'proto is compatible', run: compareProtoWithHistory },
  { name: 'generated code is current', run: generatedCodeIsCurrent },
  { name: 'unit tests', run: () => program('vitest', ['run', '--project', 'unit', '--reporter=dot']) },
]

function program(file: string, args: readonly string[]): { ok: boolean; output: string } {
  const result = spawnSync(file, args, { encoding: 'utf8', maxBuffer: 64 * 1024 * 1024 })
  return { ok: result.status === 0, output: `${result.stdout}${result.stderr}${result.error ?? ''}` }
}

function generatedCodeIsCurrent(): { ok: boolean; output: string } {
  const fresh = mkdtempSync(join(tmpdir(), 'berth-generated-'))
  try {
    const generated = program('buf', ['generate', '--output', fresh])
    if (!generated.ok) return generated
    const difference = program('diff', ['-r', 'proto/gen', join(fresh, 'proto/gen')])
    return difference.ok
      ? difference
      : { ok: false, output: `proto/gen is not what buf generates: npm run generate\n${difference.output}` }
  } finally {
    rmSync(fresh, { recursive: true })
  }
}

const startedMs = performance.now()
const failed: string[] = []
for (const check of checks) {
  const beganMs = performance.now()
  const { ok, output } = check.run()
  const seconds = ((performance.now() - beganMs) / 1000).toFixed(1)
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${check.name} (${seconds} s)\n`)
  if (!ok) {
    failed.push(check.name)
    process.stdout.write(`${output.trimEnd()}\n\n`)
  }
}
const totalSeconds = ((performance.now() - startedMs) / 1000).toFixed(1)
process.stdout.write(
  failed.length === 0
    ? `All ${checks.length} checks passed in ${totalSeconds} s.\n`
    : `${failed.length} of ${checks.length} checks failed (${failed.join(', ')}) in ${totalSeconds} s.\n`,
)
process.exitCode = failed.length === 0 ? 0 : 1
