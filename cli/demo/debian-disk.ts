// Owns disks with a Debian on them, built on this machine from Debian's packages, with kernel and initrd beside them. In: a
// recipe, and apt's mirror. Out: paths and hashes of files in the user's cache. Made once for a recipe; a build that is
// cut short leaves nothing that looks finished.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { createReadStream } from 'node:fs'
import {
  copyFile,
  mkdir,
  mkdtemp,
  readdir,
  readFile,
  rename,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises'
import { homedir } from 'node:os'
import { dirname, join } from 'node:path'
import { pipeline } from 'node:stream/promises'

export interface DebianRecipe {
  /** What folders of the cache begin with. */
  readonly name: string
  /** Default: bookworm, which is Debian 12. */
  readonly suite?: 'bookworm' | 'trixie'
  readonly packages: readonly string[]
  readonly maskedUnits: readonly string[]
  /** There before the kernel is installed, so that the initrd is made once. */
  readonly earlyFiles: Readonly<Record<string, string>>
  readonly files: Readonly<Record<string, string>>
  /** Link to target. */
  readonly links?: Readonly<Record<string, string>>
  readonly commandLine: string
  readonly diskBytes: number
}

export interface DebianDisk {
  /** Raw: one ext4 file system, no partitions. */
  readonly diskPath: string
  readonly diskSha256: string
  readonly kernelPath: string
  readonly kernelSha256: string
  readonly initrdPath: string
  readonly initrdSha256: string
  readonly commandLine: string
}

export interface BuildOptions {
  /** A line for a person about what is being done. */
  readonly onProgress?: (line: string) => void
  /** Default: Debian's own, as mmdebstrap chooses. */
  readonly mirror?: string
}

const uselessPaths = ['doc', 'man', 'info', 'lintian', 'locale', 'i18n', 'bash-completion', 'zsh']

export async function ensureDebianDisk(
  recipe: DebianRecipe,
  options: BuildOptions = {},
): Promise<DebianDisk> {
  const key = createHash('sha256').update(JSON.stringify({ recipe, uselessPaths })).digest('hex').slice(0, 16)
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'berth')
  const folder = join(cache, `${recipe.name}-${key}`)
  const made = await readManifest(folder, recipe)
  if (made !== undefined) return made
  if (process.getuid?.() !== 0) throw new Error(`The ${recipe.name} is built as root: run this as root.`)

  await mkdir(cache, { recursive: true })
  const draft = await mkdtemp(join(cache, `${recipe.name}-draft-`))
  try {
    await build(recipe, draft, options)
    await renameUnlessThere(draft, folder)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  const finished = await readManifest(folder, recipe)
  if (finished === undefined) throw new Error(`The image in ${folder} is incomplete: remove that folder.`)
  return finished
}

async function build(recipe: DebianRecipe, draft: string, options: BuildOptions): Promise<void> {
  const say = options.onProgress ?? (() => {})
  const tree = join(draft, 'tree')
  const early = join(draft, 'early')
  await writeTree(early, recipe.earlyFiles)
  const { suite = 'bookworm' } = recipe
  say(`Installing Debian ${suite === 'trixie' ? 13 : 12} into a folder`)
  const bootstrap = bootstrapArguments(recipe, { suite, tree, early, mirror: options.mirror })
  // What it mounts goes with it, also when it is killed: whoever then removes the draft must not reach through a mount.
  await run('unshare', ['--mount', '--propagation', 'private', 'mmdebstrap', ...bootstrap], say)

  say('Configuring it')
  await writeTree(tree, recipe.files)
  for (const [path, target] of Object.entries(recipe.links ?? {})) {
    await mkdir(dirname(join(tree, path)), { recursive: true })
    await run('ln', ['-sf', target, join(tree, path)])
  }
  for (const unit of recipe.maskedUnits)
    await run('ln', ['-sf', '/dev/null', `${tree}/etc/systemd/system/${unit}`])
  for (const name of uselessPaths) await rm(`${tree}/usr/share/${name}`, { recursive: true, force: true })
  const boot = await readdir(join(tree, 'boot'))
  await copyFile(join(tree, 'boot', onlyOf(boot, 'vmlinuz-')), join(draft, 'kernel'))
  await copyFile(join(tree, 'boot', onlyOf(boot, 'initrd.img-')), join(draft, 'initrd'))

  say('Making its file system')
  const disk = join(draft, 'disk.raw')
  await writeFile(disk, '')
  await truncate(disk, recipe.diskBytes)
  await run('mke2fs', ['-q', '-F', '-t', 'ext4', '-L', 'root', '-d', tree, disk])
  await rm(tree, { recursive: true })
  await rm(early, { recursive: true })

  say('Hashing it')
  const manifest = {
    diskSha256: await hashFile(disk),
    kernelSha256: await hashFile(join(draft, 'kernel')),
    initrdSha256: await hashFile(join(draft, 'initrd')),
  }
  await writeFile(join(draft, 'manifest.json'), JSON.stringify(manifest))
}

function bootstrapArguments(
  { packages }: DebianRecipe,
  where: { suite: string; tree: string; early: string; mirror: string | undefined },
): string[] {
  return [
    '--variant=minbase',
    '--mode=root',
    `--include=${packages.join(',')}`,
    '--aptopt=Acquire::Languages "none"',
    '--aptopt=APT::Install-Recommends "false"',
    ...['man', 'doc', 'locale', 'info'].map((name) => `--dpkgopt=path-exclude=/usr/share/${name}/*`),
    // mmdebstrap hands hooks to a shell: the folder is an argument of sync-in, which splits at white space.
    `--essential-hook=sync-in ${where.early} /`,
    where.suite,
    where.tree,
    ...(where.mirror === undefined ? [] : [where.mirror]),
  ]
}

async function writeTree(root: string, content: Readonly<Record<string, string>>): Promise<void> {
  for (const [path, text] of Object.entries(content)) {
    await mkdir(dirname(join(root, path)), { recursive: true })
    await writeFile(join(root, path), text)
  }
}

function onlyOf(names: readonly string[], prefix: string): string {
  const found = names.find((name) => name.startsWith(prefix))
  if (found === undefined) throw new Error(`The packages brought no /boot/${prefix}*.`)
  return found
}

/** Resolves when the program ends well; every line it writes is progress, and the last ones are the error. */
function run(
  program: string,
  args: readonly string[],
  say: (line: string) => void = () => {},
): Promise<void> {
  return new Promise((resolve, reject) => {
    const child = spawn(program, args, { stdio: ['ignore', 'pipe', 'pipe'] })
    let said = ''
    const listen = (chunk: string) => {
      said = (said + chunk).slice(-2000)
      const line = chunk.trim().split('\n').at(-1)
      if (line) say(line)
    }
    child.stdout.setEncoding('utf8').on('data', listen)
    child.stderr.setEncoding('utf8').on('data', listen)
    child.on('error', (cause) =>
      reject(new Error(`${program} can't be started: install Debian's packages for guests.`, { cause })),
    )
    child.on('close', (code) => {
      if (code === 0) resolve()
      else reject(new Error(`${program} ended with code ${code}: ${said.trim()}`))
    })
  })
}

async function hashFile(path: string): Promise<string> {
  const hash = createHash('sha256')
  await pipeline(createReadStream(path, { highWaterMark: 1024 * 1024 }), hash)
  return hash.digest('hex')
}

/** Whoever was first has made the same thing. */
async function renameUnlessThere(draft: string, folder: string): Promise<void> {
  try {
    await rename(draft, folder)
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code
    if (code !== 'ENOTEMPTY' && code !== 'EEXIST') throw thrown
  }
}

async function readManifest(folder: string, { commandLine }: DebianRecipe): Promise<DebianDisk | undefined> {
  try {
    const text = await readFile(join(folder, 'manifest.json'), 'utf8')
    const hashes = JSON.parse(text) as Pick<DebianDisk, 'diskSha256' | 'kernelSha256' | 'initrdSha256'>
    return {
      ...hashes,
      diskPath: join(folder, 'disk.raw'),
      kernelPath: join(folder, 'kernel'),
      initrdPath: join(folder, 'initrd'),
      commandLine,
    }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
}
