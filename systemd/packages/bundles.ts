// Programs as plain JavaScript, each with all that it needs in one file. In: entry files. Out: files in a folder, and the
// folders of the npm packages that are in them.
import { cpSync, rmSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { type Plugin, rolldown } from 'rolldown'
import { ownProgram, ownPrograms } from '../../agent/host/own-programs.ts'

const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url))
const require = createRequire(import.meta.url)

interface BundleOptions {
  readonly folder: string
  /** What the programs say that they are. */
  readonly version: string
  /** Where it will run nobody looks at a map. */
  readonly sourcemap: boolean
}

type Bundle = (options: BundleOptions) => Promise<ReadonlySet<string>>

export const bundleAgent: Bundle = async (options) => {
  const entries = Object.fromEntries(ownPrograms.map((name) => [name, ownProgram(name)]))
  const inside = await bundle(entries, options, [nativeTerminals])
  cpSync(join(terminalFolder(), terminalFile), join(options.folder, terminalFile))
  return inside
}

const bundleCli: Bundle = (options) => bundle({ main: join(repositoryRoot, 'cli/main.ts') }, options)

const bundleScheduler: Bundle = async (options) => {
  const entries = {
    main: join(repositoryRoot, 'scheduler/main.ts'),
    worker: join(repositoryRoot, 'scheduler/store/sqlite/worker.ts'),
    'log-mover': join(repositoryRoot, 'scheduler/store/sqlite/log-mover.ts'),
  }
  const inside = await bundle(entries, options, [nativeSqlite, pageFiles])
  const sqlite = dirname(require.resolve('better-sqlite3/package.json'))
  cpSync(join(sqlite, 'prebuilds/linux-x64.node'), join(options.folder, sqliteFile))
  cpSync(join(pageFolder(), 'static'), join(options.folder, pageName, 'static'), { recursive: true })
  return inside
}

async function bundle(
  entries: Readonly<Record<string, string>>,
  { folder, version, sourcemap }: BundleOptions,
  plugins: readonly Plugin[] = [],
): Promise<ReadonlySet<string>> {
  rmSync(folder, { recursive: true, force: true })
  const inside = new Set<string>()
  for (const [name, input] of Object.entries(entries)) {
    const made = await rolldown({
      input,
      cwd: repositoryRoot,
      platform: 'node',
      logLevel: 'warn',
      plugins: [manifestOf(version), ...plugins, narrowText],
    })
    const { output } = await made.write({
      file: join(folder, `${name}.js`),
      format: 'esm',
      sourcemap,
      codeSplitting: false,
      comments: { legal: true, annotation: false, jsdoc: false },
    })
    await made.close()
    const modules = output.flatMap((file) => (file.type === 'chunk' ? file.moduleIds : []))
    for (const module of modules) {
      const npmPackage = /^(.*\/node_modules\/(?:@[^/]+\/)?[^/]+)\//.exec(module)?.[1]
      if (npmPackage !== undefined) inside.add(npmPackage)
    }
  }
  return inside
}

export const bundles = { agent: bundleAgent, scheduler: bundleScheduler, cli: bundleCli }

/** Of the repository's own manifest programs read their version, and a package has its own. */
const manifestOf = (version: string): Plugin => ({
  name: 'manifest',
  load: (id) =>
    id === join(repositoryRoot, 'package.json')
      ? { code: JSON.stringify({ version }), moduleType: 'json' }
      : undefined,
})

/** A single character beyond Latin 1, and V8 holds the whole program with two bytes for each. */
const narrowText: Plugin = {
  name: 'narrow-text',
  generateBundle: (_options, files) => {
    for (const file of Object.values(files)) {
      if (file.type === 'chunk') file.code = file.code.replace(/(\\*)([^\0-\x7f])/g, escapeUnit)
    }
  },
}

/** A unit that is escaped already, which needs none, would otherwise become a backslash and some letters. */
function escapeUnit(_found: string, backslashes: string, unit: string): string {
  const before = backslashes.slice(backslashes.length % 2)
  return `${before}\\u${unit.charCodeAt(0).toString(16).padStart(4, '0')}`
}

const sqliteFile = 'better-sqlite3.node'

/** The native part lies beside the programs. */
const nativeSqlite: Plugin = {
  name: 'native-sqlite',
  resolveId: (source) => (source === 'better-sqlite3' ? '\0native-sqlite' : undefined),
  load: (id) => {
    if (id !== '\0native-sqlite') return undefined
    const database = require.resolve('better-sqlite3/package.json').replace('package.json', 'lib/database.js')
    return [
      "import { createRequire } from 'node:module'",
      `import createDatabase from ${JSON.stringify(database)}`,
      `const load = () => createRequire(import.meta.url)('./${sqliteFile}')`,
      'export default createDatabase(load, false)',
    ].join('\n')
  },
}

const terminalFile = 'build/Release/pty.node'
const terminalFolder = () => dirname(require.resolve('node-pty/package.json'))

/** Its native part is looked for beside the programs; where they lie matters to what macOS alone needs. */
const nativeTerminals: Plugin = {
  name: 'native-terminals',
  transform: (code, id) =>
    id.startsWith(`${terminalFolder()}/`) && code.includes('__dirname')
      ? { code: code.replaceAll('__dirname', "'/'"), map: null }
      : undefined,
}

const pageName = 'swagger-ui'
const pageFolder = () => dirname(require.resolve('@fastify/swagger-ui/package.json'))

/** The API's page is files, which its library looks for beside its own source. */
const pageFiles: Plugin = {
  name: 'page-files',
  transform: (code, id) => {
    if (!id.startsWith(`${pageFolder()}/`)) return undefined
    const inside = dirname(id).slice(pageFolder().length)
    const here = `require('node:path').join(require('node:path').dirname(process.argv[1]), '${pageName}${inside}')`
    return code.replaceAll('__dirname', here)
  },
}
