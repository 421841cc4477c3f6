// npm run package -- [--out FOLDER] [--version VERSION] [NAME…]: Debian packages of the agent, the scheduler and the command
// line, each with Node inside. Standard output gets the path of each.
import { execFileSync } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { join, resolve } from 'node:path'
import { fileURLToPath } from 'node:url'
import { parseArgs } from 'node:util'
import { version as ownVersion } from '../../lib/version.ts'
import { buildPackage } from './debian.ts'
import { packageDefinitions } from './definitions.ts'

const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url))
const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    out: { type: 'string', default: join(repositoryRoot, 'dist/packages') },
    version: { type: 'string', default: ownVersion },
  },
})
const unknown = positionals.filter(
  (name) => !packageDefinitions.some((definition) => definition.name === name),
)
if (unknown.length > 0) {
  process.stderr.write(`There is no package ${unknown.join(', ')}.\n`)
  process.exit(2)
}
const outputFolder = resolve(values.out)
mkdirSync(outputFolder, { recursive: true })
const epochSeconds = readEpochSeconds()
for (const definition of packageDefinitions) {
  if (positionals.length > 0 && !positionals.includes(definition.name)) continue
  const path = await buildPackage({ definition, version: values.version, epochSeconds, outputFolder })
  process.stdout.write(`${path}\n`)
}

/** When what is built was written, and not when it was built. */
function readEpochSeconds(): number {
  const given = process.env['SOURCE_DATE_EPOCH']
  if (given !== undefined && given !== '') return Number(given)
  return Number(execFileSync('git', ['log', '-1', '--format=%ct'], { cwd: repositoryRoot, encoding: 'utf8' }))
}
