// `npm test`: every test that this machine can run, and the list of those it can't, each with its reason.
// A test that needs something says so with test/support/needs.ts, which puts the reason into its name.
import { spawnSync } from 'node:child_process'
import { mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'

interface JsonReport {
  readonly numPassedTests: number
  readonly numFailedTests: number
  readonly numPendingTests: number
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

const folder = mkdtempSync(join(tmpdir(), 'berth-test-'))
const reportPath = join(folder, 'report.json')
const run = spawnSync(
  'vitest',
  [
    'run',
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${reportPath}`,
    ...process.argv.slice(2),
  ],
  { stdio: ['ignore', 'inherit', 'inherit'] },
)
const report = JSON.parse(readFileSync(reportPath, 'utf8')) as JsonReport
rmSync(folder, { recursive: true })

const skipped = report.testResults.flatMap((file) =>
  file.assertionResults
    .filter((result) => result.status !== 'passed' && result.status !== 'failed')
    .map((result) => result.fullName.trim()),
)
if (skipped.length > 0) {
  process.stdout.write(`\nNot run on this machine:\n${skipped.map((name) => `  - ${name}\n`).join('')}`)
}
process.stdout.write(
  `\n${report.numPassedTests} passed, ${report.numFailedTests} failed, ${skipped.length} skipped\n`,
)
process.exitCode = run.status ?? 1
