import { createHash } from 'node:crypto'
import { create } from '@bufbuild/protobuf'
import { beforeEach, describe, expect, it } from 'vitest'
import { createDiskDriver } from '../../../../agent/drivers/disk/disk-driver.ts'
import { FakeExec } from '../../../../agent/host/fake/fake-exec.ts'
import { FakeFiles } from '../../../../agent/host/fake/fake-files.ts'
import { DownloadError, type Downloads } from '../../../../agent/host/ports.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { BlobSchema, ImageFormat, ImageSchema } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { qcow2Header } from './image-bytes.ts'

const gibibyte = 1024 ** 3
const directories = { state: '/var/lib/berth', run: '/run/berth' }
const cacheDirectory = '/var/lib/berth/images'
const hashOf = (content: Uint8Array) => createHash('sha256').update(content).digest('hex')

/** A web of files. Each fetch waits until it is let through, where `gate` is set. */
class FakeWeb implements Downloads {
  readonly pages = new Map<string, Uint8Array | DownloadError>()
  readonly fetched: string[] = []
  gate: Promise<void> | undefined
  readonly #files: FakeFiles

  constructor(files: FakeFiles) {
    this.#files = files
  }

  async fetch({ url, path, maxBytes, signal, onProgress }: Parameters<Downloads['fetch']>[0]) {
    this.fetched.push(url)
    const aborted = new Promise<never>((_, reject) => {
      signal?.addEventListener('abort', () => reject(signal.reason as Error))
    })
    if (this.gate) await Promise.race([this.gate, aborted])
    const content = this.pages.get(url) ?? new DownloadError('not-found', `${url} answered 404.`)
    if (content instanceof DownloadError) throw content
    if (content.length > maxBytes) throw new DownloadError('too-large', 'Too large.')
    this.#files.place(path, { content })
    onProgress?.({ doneBytes: content.length, totalBytes: content.length })
    return { sha256: hashOf(content), sizeBytes: content.length }
  }
}

let files: FakeFiles
let web: FakeWeb
let exec: FakeExec

/** qemu-img as far as the driver uses it: makes, grows and describes disks by their header. */
function qemuImg(args: readonly string[]) {
  const path = args.find((arg) => arg.startsWith('/var/lib/berth/instances/')) ?? args.at(-1) ?? ''
  if (args[0] === 'info') return { stdout: JSON.stringify({ format: 'qcow2', 'virtual-size': gibibyte }) }
  files.place(path, { content: qcow2Header({ virtualBytes: BigInt(args.at(-1) ?? 0) }), mode: 0o644 })
  return {}
}

beforeEach(() => {
  files = new FakeFiles({ totalBytes: 100 * gibibyte, nowMs: () => 0 })
  web = new FakeWeb(files)
  exec = new FakeExec({
    'qemu-img': qemuImg,
    setpriv: (args) => qemuImg(args.slice(args.indexOf('qemu-img') + 1)),
  })
})

const newDriver = () => createDiskDriver({ exec, files, downloads: web, directories, log: silentLogger })

function publish(content: Uint8Array, format: ImageFormat = ImageFormat.RAW) {
  const sha256 = hashOf(content)
  const url = `http://images.example/${sha256}`
  web.pages.set(url, content)
  return create(ImageSchema, { id: 'debian-12', url, sha256, format })
}

const cached = () => files.paths().filter((path) => path.startsWith(`${cacheDirectory}/`))
const rawContent = (text: string) => Buffer.from(text.padEnd(1024, '.'))

describe('an image', () => {
  it('is fetched once, readable by a group of its own', async () => {
    const driver = newDriver()
    const first = await driver.ensureImage(publish(rawContent('one')))
    const second = await driver.ensureImage(publish(rawContent('two')))
    expect(first).toMatchObject({ format: 'raw', virtualBytes: 1024, gid: 300_000 })
    expect(second.gid).toBe(300_001)
    expect(await files.stat(first.path)).toMatchObject({ uid: 0, gid: 300_000, mode: 0o640 })
    await newDriver().ensureImage(publish(rawContent('one')))
    expect(web.fetched.length).toBe(2)
  })

  it('is downloaded once for all who wait', async () => {
    const driver = newDriver()
    const image = publish(rawContent('one'))
    const results = await Promise.all([
      driver.ensureImage(image),
      driver.ensureImage(image),
      driver.ensureImage(image),
    ])
    expect(new Set(results.map((result) => result.path)).size).toBe(1)
    expect(web.fetched.length).toBe(1)
  })

  it('whose last waiter gives up leaves nothing, and can be asked for again', async () => {
    const driver = newDriver()
    const image = publish(rawContent('one'))
    const { promise: gate, resolve: open } = Promise.withResolvers<void>()
    web.gate = gate
    const leaving = new AbortController()
    const given = driver.ensureImage(image, { signal: leaving.signal })
    setImmediate(() => leaving.abort(new Error('deleted')))
    await expect(given).rejects.toThrow('deleted')
    open()
    expect(await driver.ensureImage(image)).toMatchObject({ gid: 300_000 })
  })

  it('with another content than registered is refused and not kept', async () => {
    const image = publish(rawContent('one'))
    web.pages.set(image.url, rawContent('tampered'))
    await expect(newDriver().ensureImage(image)).rejects.toMatchObject({ reason: 'IMAGE_CHECKSUM_MISMATCH' })
    expect(cached()).toEqual([`${cacheDirectory}/incoming`])
  })

  it.each([
    ['registered as raw but qcow2', qcow2Header({}), ImageFormat.RAW, 'is registered as raw but is a qcow2'],
    [
      'with a backing file',
      qcow2Header({ backingOffset: 512n }),
      ImageFormat.QCOW2,
      'refers to a backing file',
    ],
    ['of no format', rawContent('x'), ImageFormat.UNSPECIFIED, 'has no format'],
    [
      'of another size than QEMU reads',
      qcow2Header({ virtualBytes: 5n }),
      ImageFormat.QCOW2,
      'something else',
    ],
  ])('%s is refused and not kept', async (_, content, format, sentence) => {
    const failure = newDriver().ensureImage(publish(content, format))
    await expect(failure).rejects.toMatchObject({
      reason: 'IMAGE_REFUSED',
      message: expect.stringContaining(sentence),
    })
    expect(cached().filter((path) => !path.endsWith('/incoming'))).toEqual([])
  })

  it('in qcow2 is looked at by a user that owns nothing', async () => {
    await newDriver().ensureImage(publish(qcow2Header({ virtualBytes: BigInt(gibibyte) }), ImageFormat.QCOW2))
    const runs = exec.history.map((run) => [run.file, ...run.args].join(' '))
    expect(runs).toEqual([
      expect.stringMatching(
        /^setpriv --reuid 299999 --regid 300000 .*--bounding-set=-all prlimit .* qemu-img info .*-f qcow2/,
      ),
    ])
  })

  it.each([
    ['not-found', 'IMAGE_NOT_FOUND'],
    ['unreachable', 'IMAGE_UNREACHABLE'],
    ['refused', 'IMAGE_REFUSED'],
    ['too-large', 'IMAGE_REFUSED'],
    ['disk-full', 'DISK_FULL'],
  ] as const)('whose download is %s fails with %s', async (kind, reason) => {
    files = new FakeFiles({ totalBytes: 2000 * gibibyte, nowMs: () => 0 })
    web = new FakeWeb(files)
    const image = publish(rawContent('one'))
    web.pages.set(image.url, new DownloadError(kind, 'So it is.'))
    await expect(newDriver().ensureImage(image)).rejects.toMatchObject({ name: 'DiskError', reason })
  })

  it('that is larger than the room left is a full disk, before it is one', async () => {
    files = new FakeFiles({ totalBytes: 256 * 1024 ** 2 + 500, nowMs: () => 0 })
    web = new FakeWeb(files)
    await expect(newDriver().ensureImage(publish(rawContent('one')))).rejects.toMatchObject({
      reason: 'DISK_FULL',
    })
  })

  it('that was a boot file before is inspected all the same', async () => {
    const driver = newDriver()
    const image = publish(qcow2Header({}))
    await driver.ensureBlob(create(BlobSchema, { url: image.url, sha256: image.sha256 }))
    await expect(driver.ensureImage(image)).rejects.toMatchObject({ reason: 'IMAGE_REFUSED' })
    expect(web.fetched.length).toBe(1)
  })
})

describe('what a killed agent left', () => {
  it('is swept, and whole files stay', async () => {
    const image = publish(rawContent('one'))
    const { path } = await newDriver().ensureImage(image)
    const half = '0'.repeat(64)
    files.place(`${cacheDirectory}/incoming/${half}`, { content: rawContent('half') })
    files.place(`${cacheDirectory}/${half}`, { content: rawContent('no record') })
    await newDriver().ensureImage(image)
    expect(cached()).toEqual([path, `${path}.json`, `${cacheDirectory}/incoming`].sort())
    expect(web.fetched.length).toBe(1)
  })
})

describe("a guest's disk", () => {
  const owner = { uid: 400_001, gid: 400_001 }
  const path = '/var/lib/berth/instances/a/disk0.qcow2'
  const sizeOf = async () => Buffer.from((await files.read(path)) ?? []).readBigUInt64BE(24)

  beforeEach(() => files.makeDirectory('/var/lib/berth/instances/a'))

  it('is made over its image, for its guest alone', async () => {
    const driver = newDriver()
    const base = await driver.ensureImage(publish(rawContent('one')))
    await driver.ensureDisk({ path, sizeGb: 10, base, owner })
    expect(await files.stat(path)).toMatchObject({ ...owner, mode: 0o600 })
    expect(await sizeOf()).toBe(10n * BigInt(gibibyte))
    expect(exec.history.at(-1)?.args).toEqual(expect.arrayContaining(['-F', 'raw', '-b', base.path]))
    expect(files.paths()).not.toContain(`${path}.new`)
  })

  it('is left as it is, and grown as its guest', async () => {
    const driver = newDriver()
    await driver.ensureDisk({ path, sizeGb: 10, owner })
    await driver.ensureDisk({ path, sizeGb: 10, owner })
    await driver.ensureDisk({ path, sizeGb: 5, owner })
    expect(exec.history.length).toBe(1)
    await driver.ensureDisk({ path, sizeGb: 20, owner })
    expect(exec.history.at(-1)).toMatchObject({
      file: 'setpriv',
      args: expect.arrayContaining(['--reuid', '400001']),
    })
    expect(await sizeOf()).toBe(20n * BigInt(gibibyte))
  })

  it('may not be smaller than its image', async () => {
    const base = { path: '/x', gid: 300_000, format: 'raw' as const, virtualBytes: 11 * gibibyte }
    const failure = newDriver().ensureDisk({ path, sizeGb: 10, base, owner })
    await expect(failure).rejects.toMatchObject({ reason: 'IMAGE_LARGER_THAN_DISK' })
    await expect(failure).rejects.toThrow('at least 11 GB')
  })

  it('that does not fit is a full disk, whatever qemu-img says of it', async () => {
    const driver = newDriver()
    const left = 20 * 1024 ** 2
    files.place('/var/lib/berth/other', { sizeBytes: 100 * gibibyte - left })
    exec.failNext({ file: 'qemu-img', argsInclude: 'create', result: { code: 1, stderr: 'kein Platz' } })
    await expect(driver.ensureDisk({ path, sizeGb: 10, owner })).rejects.toMatchObject({ name: 'ExecError' })
    files.place('/var/lib/berth/more', { sizeBytes: left })
    await expect(driver.ensureDisk({ path, sizeGb: 10, owner })).rejects.toMatchObject({
      reason: 'DISK_FULL',
    })
    expect(files.paths()).not.toContain(`${path}.new`)
  })

  it('that was half made by a killed agent is made anew', async () => {
    files.place(`${path}.new`, { content: rawContent('half') })
    await newDriver().ensureDisk({ path, sizeGb: 1, owner })
    expect(await sizeOf()).toBe(BigInt(gibibyte))
  })
})
