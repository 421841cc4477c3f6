// Owns the small guest of the tests: Debian's cloud kernel with a busybox initial file system, up in seconds even
// without KVM. Made once for a recipe and kept in the user's cache folder, outside the tree; nothing is installed.
// In: Debian's packages. Out: paths and hashes of kernel, initrd and an empty disk. It never starts a guest.
import { execFile } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmod,
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
import { basename, join } from 'node:path'
import { promisify } from 'node:util'

export interface SmallGuest {
  readonly kernelPath: string
  readonly kernelSha256: string
  readonly initrdPath: string
  readonly initrdSha256: string
  /** Raw, 1 MiB of zeros: the guest boots from the kernel and initrd alone. */
  readonly diskPath: string
  readonly diskSha256: string
}

/** The last line that the guest writes once everything else is on the serial console. */
export const smallGuestReady = 'BERTH-GUEST-READY'

export const smallGuestCommandLine = 'console=ttyS0 quiet panic=-1'

const kernelPackage = 'linux-image-cloud-amd64'

// In the order in which they are loaded.
const modules = [
  'drivers/virtio/virtio_ring',
  'drivers/virtio/virtio',
  'drivers/virtio/virtio_pci_legacy_dev',
  'drivers/virtio/virtio_pci_modern_dev',
  'drivers/virtio/virtio_pci',
  'drivers/block/virtio_blk',
  'net/core/failover',
  'drivers/net/net_failover',
  'drivers/net/virtio_net',
  'drivers/acpi/button',
  'drivers/input/evdev',
]

const run = promisify(execFile)

export async function ensureSmallGuest(): Promise<SmallGuest> {
  const scripts = await Promise.all(
    ['small-guest-init.sh', 'small-guest-udhcpc.sh', 'small-guest.ts'].map((name) =>
      readFile(join(import.meta.dirname, name)),
    ),
  )
  const key = createHash('sha256').update(Buffer.concat(scripts)).digest('hex').slice(0, 16)
  const cache = join(process.env['XDG_CACHE_HOME'] || join(homedir(), '.cache'), 'berth')
  const folder = join(cache, `small-guest-${key}`)
  const made = await readManifest(folder)
  if (made !== undefined) return made

  await mkdir(cache, { recursive: true })
  const draft = await mkdtemp(join(cache, 'small-guest-draft-'))
  try {
    await buildSmallGuest(draft)
    await renameUnlessThere(draft, folder)
  } finally {
    await rm(draft, { recursive: true, force: true })
  }
  const finished = await readManifest(folder)
  if (finished === undefined)
    throw new Error(`The small guest in ${folder} is incomplete: remove that folder.`)
  return finished
}

async function buildSmallGuest(draft: string): Promise<void> {
  const unpacked = join(draft, 'unpacked')
  for (const name of [await readKernelPackageName(), 'busybox-static']) {
    await unpackPackage(name, draft, unpacked)
  }
  const [release] = await readdir(join(unpacked, 'lib/modules'))
  if (release === undefined) throw new Error(`Package ${kernelPackage} brought no kernel modules.`)

  const tree = join(draft, 'tree')
  for (const name of ['bin', 'modules', 'etc', 'dev']) await mkdir(join(tree, name), { recursive: true })
  await copyFile(join(unpacked, 'bin/busybox'), join(tree, 'bin/busybox'))
  await chmod(join(tree, 'bin/busybox'), 0o755)
  await copyScript('small-guest-init.sh', join(tree, 'init'))
  await copyScript('small-guest-udhcpc.sh', join(tree, 'udhcpc.sh'))
  for (const module of modules) {
    const file = join(unpacked, 'lib/modules', release, 'kernel', `${module}.ko`)
    await copyFile(file, join(tree, 'modules', `${basename(module)}.ko`))
  }
  const order = modules.map((module) => `${basename(module)}.ko\n`).join('')
  await writeFile(join(tree, 'modules/order'), order)
  // Without links for its applets on the path, init's first lines call busybox by name.
  const pack = `find . | ./bin/busybox cpio -o -H newc > ../initrd`
  await run('sh', ['-ec', `ln -s busybox bin/sh; ${pack}`], { cwd: tree })

  await rename(join(unpacked, 'boot', `vmlinuz-${release}`), join(draft, 'kernel'))
  await writeFile(join(draft, 'disk.raw'), '')
  await truncate(join(draft, 'disk.raw'), 1024 * 1024)
  await rm(unpacked, { recursive: true })
  await rm(tree, { recursive: true })
  const hashes = {
    kernelSha256: await hashFile(join(draft, 'kernel')),
    initrdSha256: await hashFile(join(draft, 'initrd')),
    diskSha256: await hashFile(join(draft, 'disk.raw')),
  }
  await writeFile(join(draft, 'manifest.json'), JSON.stringify(hashes))
}

/** The package of that name holds nothing: it depends on the kernel of the day. */
async function readKernelPackageName(): Promise<string> {
  const { stdout } = await run('apt-cache', ['depends', kernelPackage])
  const name = /Depends: (linux-image-\S+)/.exec(stdout)?.[1]
  if (name === undefined) {
    throw new Error(`apt knows no package ${kernelPackage}: run apt-get update, on Debian for amd64.`)
  }
  return name
}

async function unpackPackage(name: string, draft: string, target: string): Promise<void> {
  const download = await mkdtemp(join(draft, 'package-'))
  await run('apt-get', ['-o', 'APT::Sandbox::User=root', 'download', name], { cwd: download })
  const [file] = await readdir(download)
  if (file === undefined) throw new Error(`apt-get download brought no file for ${name}: run apt-get update.`)
  await run('dpkg-deb', ['-x', join(download, file), target])
  await rm(download, { recursive: true })
}

async function copyScript(name: string, target: string): Promise<void> {
  await copyFile(join(import.meta.dirname, name), target)
  await chmod(target, 0o755)
}

async function hashFile(path: string): Promise<string> {
  return createHash('sha256')
    .update(await readFile(path))
    .digest('hex')
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

async function readManifest(folder: string): Promise<SmallGuest | undefined> {
  try {
    const text = await readFile(join(folder, 'manifest.json'), 'utf8')
    const hashes = JSON.parse(text) as Pick<SmallGuest, 'kernelSha256' | 'initrdSha256' | 'diskSha256'>
    return {
      ...hashes,
      kernelPath: join(folder, 'kernel'),
      initrdPath: join(folder, 'initrd'),
      diskPath: join(folder, 'disk.raw'),
    }
  } catch (thrown) {
    if ((thrown as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw thrown
  }
}
