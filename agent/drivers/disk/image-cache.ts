// The host's files by hash: each downloaded once, verified, inspected where it is a disk image, and given a group of
// its own, so that only guests that use it may read it. A file without its record, or the other way round, is the
// leftover of an agent that was killed: it is removed before anything is looked up.
import type { Logger } from '../../../lib/log.ts'
import { DownloadError, type Downloads, type Exec, type Files } from '../../host/ports.ts'
import { type CacheRecord, parseCacheRecord, renderCacheRecord } from './cache-record.ts'
import { inspectImage } from './image-inspection.ts'
import { type CachedFile, type CachedImage, DiskError, type FetchOptions } from './port.ts'
import { SharedWork } from './shared-work.ts'

export interface WantedFile {
  /** Starts a sentence: 'Image debian-12'. */
  readonly what: string
  readonly url: string
  readonly sha256: string
  readonly maxBytes: number
}

export interface WantedImage extends WantedFile {
  readonly format: 'raw' | 'qcow2'
}

export interface ImageCache {
  ensureFile(wanted: WantedFile, fetch: FetchOptions): Promise<CachedFile>
  ensureImage(wanted: WantedImage, fetch: FetchOptions): Promise<CachedImage>
}

export interface ImageCacheOptions {
  readonly exec: Exec
  readonly files: Files
  readonly downloads: Downloads
  readonly log: Logger
  readonly directory: string
  readonly inspectorUid: number
}

/** Groups of cached files are counted from here. */
const firstGid = 300_000
/** Left for the guests that run already. */
const spareBytes = 256 * 1024 ** 2
const sha256Pattern = /^[0-9a-f]{64}$/

interface Entry {
  readonly path: string
  readonly record: CacheRecord
}

export function createImageCache(options: ImageCacheOptions): ImageCache {
  const { files, downloads, directory, log } = options
  const incoming = `${directory}/incoming`
  const pathOf = (sha256: string) => `${directory}/${sha256}`
  const recordPathOf = (sha256: string) => `${directory}/${sha256}.json`
  const work = new SharedWork<Entry>()
  // Of files that are on their way and have no record yet.
  const reservedGids = new Set<number>()
  let swept: Promise<void> | undefined

  async function ensureEntry(wanted: WantedFile | WantedImage, fetch: FetchOptions): Promise<Entry> {
    if (!sha256Pattern.test(wanted.sha256)) {
      throw new DiskError('IMAGE_REFUSED', `${wanted.what} has no SHA-256 of 64 lower-case hex digits.`)
    }
    swept ??= sweep()
    await swept.catch((thrown: unknown) => {
      swept = undefined
      throw thrown
    })
    const format = 'format' in wanted ? wanted.format : 'blob'
    // The same bytes asked for as image and as boot file are one entry, but two inspections.
    const present = await work.join(wanted.sha256, fetch, async (signal, onProgress) => {
      const entry = await readEntry(wanted.sha256)
      return entry ?? (await download(wanted, { signal, onProgress }))
    })
    if (format === 'blob' || present.record.image?.format === format) return present
    return work.join(`${wanted.sha256} as ${format}`, fetch, () => addInspection(wanted as WantedImage))
  }

  async function readEntry(sha256: string): Promise<Entry | undefined> {
    const path = pathOf(sha256)
    const content = await files.read(recordPathOf(sha256))
    const record = content && parseCacheRecord(content)
    const info = await files.stat(path)
    return record && info?.kind === 'file' && info.sizeBytes === record.sizeBytes
      ? { path, record }
      : undefined
  }

  async function makeDirectories(): Promise<void> {
    await files.makeDirectory(directory, { mode: 0o711 })
    await files.makeDirectory(incoming, { mode: 0o711 })
  }

  async function sweep(): Promise<void> {
    await files.remove(incoming)
    await makeDirectories()
    const names = await files.list(directory)
    const known = new Set(
      names.map((name) => name.replace(/\.json$/, '')).filter((name) => sha256Pattern.test(name)),
    )
    for (const sha256 of known) {
      if (await readEntry(sha256)) continue
      log.info({ component: 'disk', sha256 }, 'removing an unfinished file of the image cache')
      await removeEntry(sha256)
    }
  }

  async function removeEntry(sha256: string): Promise<void> {
    await files.remove(recordPathOf(sha256))
    await files.remove(pathOf(sha256))
  }

  async function download(wanted: WantedFile | WantedImage, fetch: Required<FetchOptions>): Promise<Entry> {
    // An operator in need of room may have removed the whole cache.
    await makeDirectories()
    // Whatever is there is no whole entry.
    await removeEntry(wanted.sha256)
    const gid = await reserveGid()
    const path = `${incoming}/${wanted.sha256}`
    try {
      const sizeBytes = await receive(wanted, path, fetch)
      await files.changeOwner(path, { uid: 0, gid })
      await files.changeMode(path, 0o640)
      const image = 'format' in wanted ? await inspect(wanted, path, gid) : undefined
      const record: CacheRecord = { gid, sizeBytes, ...(image && { image }) }
      await files.rename(path, pathOf(wanted.sha256))
      // Last: the record makes the entry, and syncing its directory makes the rename durable too.
      await files.writeAtomic(recordPathOf(wanted.sha256), renderCacheRecord(record))
      return { path: pathOf(wanted.sha256), record }
    } catch (thrown) {
      await files.remove(path)
      throw thrown
    } finally {
      reservedGids.delete(gid)
    }
  }

  async function receive(wanted: WantedFile, path: string, fetch: Required<FetchOptions>): Promise<number> {
    const { what, url } = wanted
    const roomBytes = Math.max(0, (await files.freeBytes(directory)) - spareBytes)
    const maxBytes = Math.min(wanted.maxBytes, roomBytes)
    try {
      const { sha256, sizeBytes } = await downloads.fetch({ url, path, maxBytes, ...fetch })
      if (sha256 === wanted.sha256) return sizeBytes
    } catch (thrown) {
      if (!(thrown instanceof DownloadError)) throw thrown
      throw explainDownload({ error: thrown, what, lacksRoom: roomBytes < wanted.maxBytes })
    }
    throw new DiskError(
      'IMAGE_CHECKSUM_MISMATCH',
      `${what} is not what was registered: its content has another SHA-256. Publish the right file, or register the new hash.`,
    )
  }

  async function inspect(wanted: WantedImage, path: string, gid: number) {
    const reader = { uid: options.inspectorUid, gid }
    const verdict = await inspectImage({ ...options, path, format: wanted.format, reader })
    if (verdict.kind === 'refused') throw new DiskError('IMAGE_REFUSED', `${wanted.what} ${verdict.because}.`)
    return { format: wanted.format, virtualBytes: verdict.virtualBytes }
  }

  async function addInspection(wanted: WantedImage): Promise<Entry> {
    const entry = await readEntry(wanted.sha256)
    if (entry === undefined) throw new Error(`Cached file ${wanted.sha256} vanished.`)
    const image = await inspect(wanted, entry.path, entry.record.gid)
    const record = { ...entry.record, image }
    await files.writeAtomic(recordPathOf(wanted.sha256), renderCacheRecord(record))
    return { path: entry.path, record }
  }

  /** The lowest that no file has. */
  async function reserveGid(): Promise<number> {
    const taken = new Set<number>()
    for (const name of await files.list(directory)) {
      const content = name.endsWith('.json') ? await files.read(`${directory}/${name}`) : undefined
      const record = content && parseCacheRecord(content)
      if (record) taken.add(record.gid)
    }
    let gid = firstGid
    while (taken.has(gid) || reservedGids.has(gid)) gid += 1
    reservedGids.add(gid)
    return gid
  }

  return {
    async ensureFile(wanted, fetch) {
      const { path, record } = await ensureEntry(wanted, fetch)
      return { path, gid: record.gid }
    },
    async ensureImage(wanted, fetch) {
      const { path, record } = await ensureEntry(wanted, fetch)
      if (record.image === undefined) throw new Error(`Cached image ${wanted.sha256} was not inspected.`)
      return { path, gid: record.gid, ...record.image }
    },
  }
}

function explainDownload(failure: { error: DownloadError; what: string; lacksRoom: boolean }): DiskError {
  const { error, what, lacksRoom } = failure
  const options = { cause: error }
  const diskFull = () =>
    new DiskError('DISK_FULL', `${what} does not fit on the host's disk: free some space there.`, options)
  switch (error.kind) {
    case 'not-found':
      return new DiskError('IMAGE_NOT_FOUND', `${what} is not at its URL: ${error.message}`, options)
    case 'unreachable':
      return new DiskError('IMAGE_UNREACHABLE', `${what} can't be fetched: ${error.message}`, options)
    case 'disk-full':
      return diskFull()
    case 'too-large':
      if (lacksRoom) return diskFull()
      return new DiskError('IMAGE_REFUSED', `${what} is too large: ${error.message}`, options)
    case 'refused':
    case 'unsupported':
      return new DiskError('IMAGE_REFUSED', `${what} can't be used: ${error.message}`, options)
  }
}
