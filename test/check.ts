// `npm run check`: what every commit passes. As many run at once as there are CPUs, the longest first; everything runs, and
// what failed is told with its output.
import { spawn } from 'node:child_process'
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { compareProtoWithHistory } from './support/proto-history.ts'

export interface CheckResult {
  readonly ok: boolean
  readonly output: string
}

interface Check {
  readonly name: string
  readonly run: () => Promise<CheckResult>
}

const checks: readonly Check[] = [
  { name: 'unit tests', run: () => program('vitest', ['run', '--project', 'unit', '--reporter=dot']) },
  {
    name: 'types and typed lint',
    run: () => program('oxlint', ['--deny-warnings', '.']),
  },
  {
    name: 'format and fast lint',
    run: () => program('biome', ['ci', '--colors=off', '--error-on-warnings', '.']),
  },
  { name: 'proto lint', run: () => program('buf', ['lint']) },
  { name: 'proto is compatible', run: async () => compareProtoWithHistory() },
  { name: 'generated code is current', run: generatedCodeIsCurrent },
]

async function program(file: string, args: readonly string[]): Promise<CheckResult> {
  const child = spawn(file, args, {
    stdio: ['ignore', 'pipe', 'pipe'],
    env: { ...process.env, NO_COLOR: '1' },
  })
  let output = ''
  const keep = (chunk: Buffer) => {
    output += chunk.toString()
  }
  child.stdout.on('data', keep)
  child.stderr.on('data', keep)
  const code = await new Promise<number | null>((resolve, reject) => {
    child.once('error', reject)
    child.once('close', resolve)
  })
  return { ok: code === 0, output }
}

async function generatedCodeIsCurrent(): Promise<CheckResult> {
  const fresh = mkdtempSync(join(tmpdir(), 'berth-generated-'))
  try {
    const generated = await program('buf', ['generate', '--output', fresh])
    if (!generated.ok) return generated
    const difference = await program('diff', ['-r', 'proto/gen', join(fresh, 'proto/gen')])
    if (!difference.ok) {
      return {
        ok: false,
        output: `proto/gen is not what buf generates: npm run generate\n${difference.output}`,
      }
    }
    return await apiIsCurrent(fresh)
  } finally {
    rmSync(fresh, { recursive: true })
  }
}

/** The document is what the scheduler serves, and the client's types are the document's. */
async function apiIsCurrent(fresh: string): Promise<CheckResult> {
  const document = join(fresh, 'openapi.json')
  const types = join(fresh, 'api.ts')
  const printed = await program(process.execPath, ['scheduler/api/print-openapi.ts'])
  if (!printed.ok) return printed
  writeFileSync(document, printed.output)
  const generated = await program('openapi-typescript', [document, '--immutable', '--output', types])
  if (!generated.ok) return generated
  for (const [made, kept] of [
    [document, 'docs/openapi.json'],
    [types, 'cli/client/gen/api.ts'],
  ] as const) {
    const difference = await program('diff', [kept, made])
    if (!difference.ok) {
      return { ok: false, output: `${kept} is not current: npm run generate:api\n${difference.output}` }
    }
  }
  return { ok: true, output: '' }
}

const seconds = (sinceMs: number) => ((performance.now() - sinceMs) / 1000).toFixed(1)

async function runCheck(check: Check, failed: string[]): Promise<void> {
  const beganMs = performance.now()
  const { ok, output } = await check.run()
  process.stdout.write(`${ok ? 'ok    ' : 'FAILED'} ${check.name} (${seconds(beganMs)} s)\n`)
  if (ok) return
  failed.push(check.name)
  process.stdout.write(`${output.trimEnd()}\n\n`)
}

const startedMs = performance.now()
const failed: string[] = []
const waiting = [...checks]
const worker = async () => {
  for (let check = waiting.shift(); check; check = waiting.shift()) await runCheck(check, failed)
}
await Promise.all(Array.from({ length: Math.max(2, Math.min(4, availableParallelism())) }, worker))
process.stdout.write(
  failed.length === 0
    ? `All ${checks.length} checks passed in ${seconds(startedMs)} s.\n`
    : `${failed.length} of ${checks.length} checks failed (${failed.join(', ')}) in ${seconds(startedMs)} s.\n`,
)
process.exitCode = failed.length === 0 ? 0 : 1
