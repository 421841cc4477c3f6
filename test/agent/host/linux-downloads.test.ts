import { createHash } from 'node:crypto'
import { existsSync, mkdtempSync, readFileSync, rmSync, statSync, symlinkSync, writeFileSync } from 'node:fs'
import { createServer, type RequestListener, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createLinuxDownloads } from '../../../agent/host/linux-downloads.ts'
import type { DownloadProgress } from '../../../agent/host/ports.ts'
import { systemClock } from '../../../lib/clock.ts'

const content = Buffer.from('a small kernel, for all that we know')
const sha256 = createHash('sha256').update(content).digest('hex')

let folder: string
let target: string
let server: Server | undefined
const downloads = createLinuxDownloads({ clock: systemClock })

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-downloads-'))
  target = join(folder, 'target')
})

afterEach(() => {
  server?.closeAllConnections()
  server?.close()
  server = undefined
  rmSync(folder, { recursive: true })
})

async function serve(listener: RequestListener): Promise<string> {
  const listening = createServer(listener)
  server = listening
  await new Promise<void>((resolve) => listening.listen(0, '127.0.0.1', resolve))
  return `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
}

const fetchTo = (url: string, more: object = {}) =>
  downloads.fetch({ url, path: target, maxBytes: 1024 * 1024, ...more })

async function expectFailure(promise: Promise<unknown>, kind: string): Promise<void> {
  await expect(promise).rejects.toMatchObject({ name: 'DownloadError', kind })
  expect(existsSync(target)).toBe(false)
}

describe('a file', () => {
  it('is copied and hashed, readable by its owner alone', async () => {
    const source = join(folder, 'with space')
    writeFileSync(source, content)
    expect(await fetchTo(`file://${folder}/with%20space`)).toEqual({ sha256, sizeBytes: content.length })
    expect(readFileSync(target)).toEqual(content)
    expect(statSync(target).mode & 0o777).toBe(0o600)
  })

  it('keeps its zeros, as holes', async () => {
    const source = Buffer.alloc(3 * 1024 * 1024)
    source.write('in the middle', 1_500_000)
    writeFileSync(join(folder, 'sparse'), source)
    const result = await fetchTo(`file://${folder}/sparse`, { maxBytes: source.length })
    expect(result.sha256).toBe(createHash('sha256').update(source).digest('hex'))
    expect(readFileSync(target).equals(source)).toBe(true)
    expect(statSync(target).blocks * 512).toBeLessThan(source.length)
  })

  it('says what is wrong with it', async () => {
    await expectFailure(fetchTo(`file://${folder}/missing`), 'not-found')
    await expectFailure(fetchTo(`file://${folder}`), 'refused')
    await expectFailure(fetchTo('file://elsewhere/x'), 'unsupported')
    await expectFailure(fetchTo('ftp://127.0.0.1/x'), 'unsupported')
    await expectFailure(fetchTo('not a url'), 'unsupported')
  })

  it('tells a full disk from everything else', async () => {
    writeFileSync(join(folder, 'source'), content)
    symlinkSync('/dev/full', target)
    await expectFailure(fetchTo(`file://${folder}/source`), 'disk-full')
  })
})

describe('a web server', () => {
  it('is read with progress', async () => {
    const seen: DownloadProgress[] = []
    const url = await serve((_, reply) => reply.setHeader('content-length', content.length).end(content))
    expect(await fetchTo(`${url}/x`, { onProgress: (at: DownloadProgress) => seen.push(at) })).toEqual({
      sha256,
      sizeBytes: content.length,
    })
    expect(seen.at(-1)).toEqual({ doneBytes: content.length, totalBytes: content.length })
  })

  it.each([
    [404, 'not-found'],
    [403, 'refused'],
    [503, 'unreachable'],
  ])('that answers %i is %s', async (status, kind) => {
    const url = await serve((_, reply) => reply.writeHead(status).end('no'))
    await expectFailure(fetchTo(url), kind)
  })

  it('is unreachable where nobody listens', async () => {
    await expectFailure(fetchTo('http://127.0.0.1:1/'), 'unreachable')
  })

  it('may redirect, but not for ever and never to a file', async () => {
    writeFileSync(join(folder, 'secret'), content)
    const url = await serve((request, reply) => {
      const to = { '/once': '/here', '/loop': '/loop', '/file': `file://${folder}/secret` }[request.url ?? '']
      if (to === undefined) reply.end(content)
      else reply.writeHead(302, { location: to }).end()
    })
    expect((await fetchTo(`${url}/once`)).sha256).toBe(sha256)
    rmSync(target)
    await expectFailure(fetchTo(`${url}/loop`), 'refused')
    await expectFailure(fetchTo(`${url}/file`), 'refused')
  })

  it('may not send more than allowed, whether it says so first or not', async () => {
    const url = await serve((request, reply) => {
      if (request.url === '/said') reply.setHeader('content-length', content.length)
      reply.write(content)
      reply.end()
    })
    await expectFailure(fetchTo(`${url}/said`, { maxBytes: 5 }), 'too-large')
    await expectFailure(fetchTo(`${url}/unsaid`, { maxBytes: 5 }), 'too-large')
  })

  it('that breaks off in the middle leaves nothing', async () => {
    const url = await serve((_, reply) => {
      reply.setHeader('content-length', 1000)
      reply.write(content, () => reply.destroy())
    })
    await expectFailure(fetchTo(url), 'unreachable')
  })

  it('that stalls is given up', async () => {
    const url = await serve((_, reply) => reply.write(content))
    const impatient = createLinuxDownloads({ clock: systemClock, stallTimeoutMs: 100 })
    await expectFailure(impatient.fetch({ url, path: target, maxBytes: 1000 }), 'unreachable')
  })

  it('is left alone once the caller aborts', async () => {
    const controller = new AbortController()
    const url = await serve((_, reply) => reply.write(content))
    const reason = new Error('nobody waits any more')
    const promise = fetchTo(url, { signal: controller.signal, onProgress: () => controller.abort(reason) })
    await expect(promise).rejects.toBe(reason)
    expect(existsSync(target)).toBe(false)
  })

  it('never has its credentials repeated', async () => {
    const url = await serve((_, reply) => reply.writeHead(404).end())
    const error = await fetchTo(`${url}/x?token=hush`).catch((thrown: Error) => thrown)
    expect(String(error)).not.toContain('hush')
  })
})
