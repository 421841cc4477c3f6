// Brings bytes from a file or a web server to a local file. In: a URL and limits. Out: what came, hashed on the way.
// A failed or aborted fetch leaves no file. It never renames, verifies or retries: that is its caller's.
import { createHash } from 'node:crypto'
import { constants } from 'node:fs'
import { type FileHandle, open, rm } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import type { Clock } from '../../lib/clock.ts'
import { DownloadError, type DownloadProgress, type Downloads } from './ports.ts'

export interface LinuxDownloadsOptions {
  readonly clock: Clock
  /** A source that sends nothing for so long is given up. */
  readonly stallTimeoutMs?: number
  readonly maxRedirects?: number
}

interface Source {
  /** 0 where it is not known. */
  readonly totalBytes: number
  readonly chunks: AsyncIterable<Uint8Array>
}

type FetchRequest = Parameters<Downloads['fetch']>[0]

export function createLinuxDownloads(options: LinuxDownloadsOptions): Downloads {
  const { clock, stallTimeoutMs = 60_000, maxRedirects = 5 } = options
  return {
    async fetch(request) {
      const url = parseDownloadUrl(request.url)
      const stalled = new AbortController()
      const giveUp = () =>
        stalled.abort(
          new DownloadError(
            'unreachable',
            `${describeUrl(url)} sent nothing for ${Math.round(stallTimeoutMs / 1000)} seconds.`,
          ),
        )
      const signal = AbortSignal.any([stalled.signal, ...(request.signal ? [request.signal] : [])])
      let cancelTimer = clock.after(stallTimeoutMs, giveUp)
      const onBytes = () => {
        cancelTimer()
        cancelTimer = clock.after(stallTimeoutMs, giveUp)
      }
      try {
        signal.throwIfAborted()
        const source =
          url.protocol === 'file:' ? await openFile(url) : await openWeb({ url, signal, maxRedirects })
        return await receive({ source, url, request, signal, onBytes })
      } catch (thrown) {
        // An abort shows as all sorts of errors of the stream: its reason is what happened.
        if (signal.aborted) throw signal.reason
        throw explainReading(thrown, url)
      } finally {
        cancelTimer()
        stalled.abort()
      }
    },
  }
}

function parseDownloadUrl(text: string): URL {
  const url = URL.canParse(text) ? new URL(text) : undefined
  if (url && ['file:', 'http:', 'https:'].includes(url.protocol)) return url
  throw new DownloadError('unsupported', 'The URL is none of file://, http:// and https://.')
}

async function openFile(url: URL): Promise<Source> {
  let path: string
  try {
    path = fileURLToPath(url)
  } catch (cause) {
    throw new DownloadError('unsupported', `${describeUrl(url)} names no file of this host.`, { cause })
  }
  // Without O_NONBLOCK, opening a pipe that nobody writes would wait for ever.
  const file = await open(path, constants.O_RDONLY | constants.O_NONBLOCK)
  const info = await file.stat()
  if (!info.isFile()) {
    await file.close()
    throw new DownloadError('refused', `${describeUrl(url)} is not a regular file.`)
  }
  return { totalBytes: info.size, chunks: file.createReadStream({ highWaterMark: chunkBytes }) }
}

async function openWeb(options: { url: URL; signal: AbortSignal; maxRedirects: number }): Promise<Source> {
  let url = options.url
  for (let hop = 0; hop <= options.maxRedirects; hop += 1) {
    const response = await fetch(url, {
      signal: options.signal,
      redirect: 'manual',
      // Length and hash are those of the file, not of a compressed form of it.
      headers: { 'accept-encoding': 'identity' },
    })
    if (response.status === 200 && response.body) {
      const encoded = response.headers.has('content-encoding')
      const length = Number(response.headers.get('content-length') ?? 0)
      return { totalBytes: encoded || !Number.isSafeInteger(length) ? 0 : length, chunks: response.body }
    }
    await response.body?.cancel()
    url = parseRedirect(response, url)
  }
  throw new DownloadError(
    'refused',
    `${describeUrl(options.url)} redirects more than ${options.maxRedirects} times.`,
  )
}

function parseRedirect(response: Response, from: URL): URL {
  const { status } = response
  const location = response.headers.get('location')
  if ([301, 302, 303, 307, 308].includes(status) && location !== null && URL.canParse(location, from.href)) {
    const to = new URL(location, from)
    const stays = to.protocol === from.protocol || (from.protocol === 'http:' && to.protocol === 'https:')
    if (stays) return to
    throw new DownloadError(
      'refused',
      `${describeUrl(from)} redirects to ${to.protocol}//, which is not followed.`,
    )
  }
  const answered = `${describeUrl(from)} answered ${status}.`
  if (status === 404 || status === 410) throw new DownloadError('not-found', answered)
  if (status >= 500 || status === 429) throw new DownloadError('unreachable', answered)
  throw new DownloadError('refused', answered)
}

const chunkBytes = 256 * 1024
const zeros = Buffer.alloc(chunkBytes)

async function receive(options: {
  source: Source
  url: URL
  request: FetchRequest
  signal: AbortSignal
  onBytes: () => void
}): Promise<{ sha256: string; sizeBytes: number }> {
  const { source, url, request, signal } = options
  const tooLarge = () =>
    new DownloadError('too-large', `${describeUrl(url)} has more than the ${request.maxBytes} bytes allowed.`)
  if (source.totalBytes > request.maxBytes) throw tooLarge()
  const file = await open(request.path, 'w', 0o600).catch((thrown) => {
    throw explainWriting(thrown, request.path)
  })
  let finished = false
  try {
    const hash = createHash('sha256')
    let doneBytes = 0
    for await (const chunk of source.chunks) {
      signal.throwIfAborted()
      options.onBytes()
      if (doneBytes + chunk.length > request.maxBytes) throw tooLarge()
      hash.update(chunk)
      await writeSparse(file, chunk, doneBytes).catch((thrown) => {
        throw explainWriting(thrown, request.path)
      })
      doneBytes += chunk.length
      request.onProgress?.(progressOf(doneBytes, source.totalBytes))
    }
    // A hole at the end is only made by giving the file its length.
    await file
      .truncate(doneBytes)
      .then(() => file.sync())
      .catch((thrown) => {
        throw explainWriting(thrown, request.path)
      })
    signal.throwIfAborted()
    finished = true
    return { sha256: hash.digest('hex'), sizeBytes: doneBytes }
  } finally {
    await file.close()
    if (!finished) await rm(request.path, { force: true })
  }
}

const progressOf = (doneBytes: number, totalBytes: number): DownloadProgress => ({ doneBytes, totalBytes })

/** Disk images are mostly zeros: those become holes, so that an image takes the space of its content. */
async function writeSparse(file: FileHandle, chunk: Uint8Array, position: number): Promise<void> {
  if (chunk.length <= chunkBytes && zeros.compare(chunk, 0, chunk.length, 0, chunk.length) === 0) return
  let written = 0
  while (written < chunk.length) {
    const { bytesWritten } = await file.write(chunk, written, chunk.length - written, position + written)
    written += bytesWritten
  }
}

function explainWriting(cause: unknown, path: string): DownloadError {
  const code = errorCode(cause)
  return code === 'ENOSPC' || code === 'EDQUOT'
    ? new DownloadError('disk-full', `The disk that holds ${path} is full.`, { cause })
    : new DownloadError('refused', `${path} can't be written.`, { cause })
}

function explainReading(thrown: unknown, url: URL): DownloadError {
  if (thrown instanceof DownloadError) return thrown
  const options = { cause: thrown }
  switch (errorCode(thrown)) {
    case 'ENOENT':
    case 'ENOTDIR':
      return new DownloadError('not-found', `There is no file ${describeUrl(url)}.`, options)
    case 'EACCES':
    case 'EPERM':
    case 'ELOOP':
    case 'ENXIO':
      return new DownloadError('refused', `${describeUrl(url)} may not be read.`, options)
    default:
      return new DownloadError('unreachable', `${describeUrl(url)} can't be fetched.`, options)
  }
}

/** The system's code, which fetch hides one cause down. */
function errorCode(thrown: unknown): string | undefined {
  for (let current = thrown; current instanceof Error; current = current.cause) {
    if ('code' in current && typeof current.code === 'string') return current.code
  }
  return undefined
}

/** Without user name, password and query: those can be secrets. */
function describeUrl(url: URL): string {
  return url.protocol === 'file:' ? url.pathname : `${url.protocol}//${url.host}${url.pathname}`
}
