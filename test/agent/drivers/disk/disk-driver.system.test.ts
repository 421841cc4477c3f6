import { execFileSync } from 'node:child_process'
import { createHash } from 'node:crypto'
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  truncateSync,
  writeFileSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createDiskDriver } from '../../../../agent/drivers/disk/disk-driver.ts'
import type { CachedImage, DiskDriver } from '../../../../agent/drivers/disk/port.ts'
import { createLinuxDownloads } from '../../../../agent/host/linux-downloads.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { ImageFormat, ImageSchema } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { exec as realExec, files as realFiles } from '../../../support/this-host.ts'

// Everything that the driver believes of qemu-img, asked of the real one, with images made to deceive it.
describeNeeding({ root: true, programs: ['qemu-img', 'setpriv', 'prlimit'] }, 'images and disks', () => {
  let folder: string
  let driver: DiskDriver
  const owner = { uid: 400_001, gid: 400_001 }
  const made = (...args: string[]) =>
    execFileSync('qemu-img', args, { cwd: folder, stdio: 'pipe' }).toString()

  /** qemu-img times its key derivation by user time, of which a kernel that counts by ticks may show none. */
  function whereTheClockAllows(make: () => unknown, triesLeft = 50): unknown {
    try {
      return make()
    } catch (thrown) {
      if (triesLeft === 0 || !`${thrown}`.includes('Unable to get accurate CPU usage')) throw thrown
      return whereTheClockAllows(make, triesLeft - 1)
    }
  }

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'berth-disk-'))
    // Guests and the inspector reach the cache through it.
    chmodSync(folder, 0o711)
    mkdirSync(join(folder, 'state/instances/a'), { recursive: true, mode: 0o711 })
    driver = createDiskDriver({
      exec: realExec,
      files: realFiles,
      downloads: createLinuxDownloads({ clock: systemClock }),
      directories: { state: join(folder, 'state'), run: join(folder, 'run') },
      log: silentLogger,
    })
  })

  afterEach(() => rmSync(folder, { recursive: true }))

  function ensure(name: string, format: ImageFormat): Promise<CachedImage> {
    const sha256 = createHash('sha256')
      .update(readFileSync(join(folder, name)))
      .digest('hex')
    return driver.ensureImage(
      create(ImageSchema, { id: name, url: `file://${folder}/${name}`, sha256, format }),
    )
  }

  it.each([
    ['plain', ['-o', 'compat=1.1']],
    ['old', ['-o', 'compat=0.10']],
    ['zstd', ['-o', 'compression_type=zstd,extended_l2=on,cluster_size=128k']],
  ])('a %s qcow2 is accepted', async (name, options) => {
    made('create', '-q', '-f', 'qcow2', ...options, name, '64M')
    const image = await ensure(name, ImageFormat.QCOW2)
    expect(image).toMatchObject({ format: 'qcow2', virtualBytes: 64 * 1024 ** 2, gid: 300_000 })
  })

  const hostile: Record<string, () => void> = {
    'with a backing file': () =>
      made('create', '-q', '-u', '-f', 'qcow2', '-F', 'raw', '-b', '/etc/shadow', 'image', '1M'),
    'with a data file': () => made('create', '-q', '-f', 'qcow2', '-o', 'data_file=elsewhere', 'image', '1M'),
    'that is LUKS inside': () =>
      whereTheClockAllows(() =>
        made(
          ...['create', '-q', '--object', 'secret,id=s,data=x', '-f', 'qcow2'],
          ...['-o', 'encrypt.format=luks,encrypt.key-secret=s,encrypt.iter-time=10', 'image', '1M'],
        ),
      ),
    'of 17 TiB': () => made('create', '-q', '-f', 'qcow2', '-o', 'cluster_size=2M', 'image', '17T'),
    'with a snapshot': () => {
      made('create', '-q', '-f', 'qcow2', 'image', '1M')
      made('snapshot', '-c', 'old', 'image')
    },
    'that ends within its header': () => {
      made('create', '-q', '-f', 'qcow2', 'image', '1M')
      truncateSync(join(folder, 'image'), 90)
    },
    'that ends behind its header': () => {
      made('create', '-q', '-f', 'qcow2', 'image', '1M')
      truncateSync(join(folder, 'image'), 200)
    },
    'that is a VMDK': () => made('create', '-q', '-f', 'vmdk', 'image', '1M'),
  }

  it.each(Object.keys(hostile))('a qcow2 %s is refused and not kept', async (name) => {
    hostile[name]?.()
    await expect(ensure('image', ImageFormat.QCOW2)).rejects.toMatchObject({ reason: 'IMAGE_REFUSED' })
    expect(readdirSync(join(folder, 'state/images'))).toEqual(['incoming'])
    expect(readdirSync(join(folder, 'state/images/incoming'))).toEqual([])
  })

  it.each(['qcow2', 'qed', 'vmdk', 'vdi', 'vhdx', 'vpc', 'parallels'])(
    'a raw image that is %s is refused',
    async (format) => {
      made('create', '-q', '-f', format, 'image', '1M')
      await expect(ensure('image', ImageFormat.RAW)).rejects.toMatchObject({ reason: 'IMAGE_REFUSED' })
    },
  )

  it('a disk is an overlay that its guest can read, write and grow, and nobody else', async () => {
    writeFileSync(join(folder, 'raw'), 'the image'.padEnd(1024 ** 2, '.'))
    const base = await ensure('raw', ImageFormat.RAW)
    const path = join(folder, 'state/instances/a/disk0.qcow2')
    await driver.ensureDisk({ path, sizeGb: 1, base, owner })
    await driver.ensureDisk({ path, sizeGb: 2, base, owner })
    const info = JSON.parse(made('info', '--output=json', path)) as Record<string, unknown>
    expect(info).toMatchObject({
      format: 'qcow2',
      'virtual-size': 2 * 1024 ** 3,
      'backing-filename': base.path,
      'backing-filename-format': 'raw',
    })
    const identityOf = (uid: number) => [
      '--reuid',
      String(uid),
      '--regid',
      String(uid),
      '--bounding-set=-all',
    ]
    // Opens the disk and its image, as QEMU will.
    const open = ['qemu-img', 'map', '--output=json', '-f', 'qcow2', path]
    const openAs = (uid: number, group: number) => () =>
      execFileSync('setpriv', [...identityOf(uid), '--groups', String(group), ...open], { stdio: 'pipe' })
    expect(openAs(owner.uid, base.gid)).not.toThrow()
    expect(openAs(owner.uid + 1, base.gid)).toThrow(/Permission denied/)
    expect(openAs(owner.uid, base.gid + 1)).toThrow(/Permission denied/)
  })

  it('a blank disk is blank', async () => {
    const path = join(folder, 'state/instances/a/disk1.qcow2')
    await driver.ensureDisk({ path, sizeGb: 3, owner })
    expect(JSON.parse(made('info', '--output=json', path))).toMatchObject({ 'virtual-size': 3 * 1024 ** 3 })
  })
})
