// `npm test`: every test that this machine can run, and the list of those it can't, each with its reason.
// A test that needs something says so with test/support/needs.ts, which puts the reason into its name.
import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'

interface JsonReport {
  readonly testResults: readonly {
    readonly name: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

interface Lane {
  readonly args: readonly string[]
  readonly isNiced: boolean
}

// What takes the kernel's network, or a machine within this one, goes one file after the other and often waits for a guest
// with one processor. What needs neither goes on meanwhile, and leaves it the processors where both want them.
const lanes: readonly Lane[] = [
  { args: ['--project', 'e2e', '--project', 'lab', '--project', 'system'], isNiced: false },
  { args: ['--project', 'unit', '--project', 'process'], isNiced: true },
]

async function runLane({ args, isNiced }: Lane, reportPath: string): Promise<number> {
  const vitest = ['vitest', 'run', '--reporter=default', '--reporter=json', `--outputFile.json=${reportPath}`]
  const [file = '', ...rest] = [...(isNiced ? ['nice', '-n', '5'] : []), ...vitest, ...args]
  const child = spawn(file, rest, { stdio: ['ignore', 'pipe', 'pipe'] })
  for (const output of [child.stdout, child.stderr]) {
    createInterface({ input: output }).on('line', (line) => process.stdout.write(`${line}\n`))
  }
  return new Promise((resolve, reject) => {
    child.once('error', reject)
    child.once('close', (code) => resolve(code ?? 1))
  })
}

const asked = process.argv.slice(2)
const folder = mkdtempSync(join(tmpdir(), 'berth-test-'))
const runs = await Promise.all(
  (asked.length > 0 ? [{ args: asked, isNiced: false }] : lanes).map(async (lane, index) => {
    const reportPath = join(folder, `report-${index}.json`)
    const code = await runLane(lane, reportPath)
    // There is none of a lane that could not begin, and that says why; the other goes on.
    if (!existsSync(reportPath)) return { code: Math.max(1, code), report: { testResults: [] } }
    return { code, report: JSON.parse(readFileSync(reportPath, 'utf8')) as JsonReport }
  }),
)
rmSync(folder, { recursive: true })

const results = runs.flatMap(({ report }) => report.testResults.flatMap((file) => file.assertionResults))
const namesOf = (isSo: (status: string) => boolean) =>
  results.filter(({ status }) => isSo(status)).map(({ fullName }) => fullName.trim())
const list = (title: string, names: readonly string[]) => {
  if (names.length > 0) process.stdout.write(`\n${title}:\n${names.map((name) => `  - ${name}\n`).join('')}`)
}
const passed = namesOf((status) => status === 'passed')
const failed = namesOf((status) => status === 'failed')
const skipped = namesOf((status) => status !== 'passed' && status !== 'failed')
list('Not run on this machine', skipped)
list('Failed', failed)
process.stdout.write(`\n${passed.length} passed, ${failed.length} failed, ${skipped.length} skipped\n`)
process.exitCode = Math.max(...runs.map(({ code }) => code))
