// Bytes of uploaded images, as files named by their SHA-256. In: streams. Out: streams, and whether the bytes were what was
// promised. Never: keeps what is not whole or not what its name says.
import { createHash } from 'node:crypto'
import { createReadStream, createWriteStream, mkdirSync } from 'node:fs'
import { open, readdir, rename, rm, stat } from 'node:fs/promises'
import { join } from 'node:path'
import { type Readable, Transform } from 'node:stream'
import { pipeline } from 'node:stream/promises'
import type { Random } from '../../lib/random.ts'
import type { BlobStore } from './resource-store.ts'

const partial = '.part'

class TooLarge extends Error {
  override readonly name = 'TooLarge'
}

/** What an earlier process left unfinished is removed. */
export async function openBlobStore({
  directory,
  limitBytes,
  random,
}: {
  readonly directory: string
  readonly limitBytes: number
  readonly random: Random
}): Promise<BlobStore> {
  mkdirSync(directory, { recursive: true, mode: 0o700 })
  for (const name of await readdir(directory)) {
    if (name.endsWith(partial)) await rm(join(directory, name), { force: true })
  }
  const pathOf = (sha256: string) => join(directory, sha256)

  async function receive(path: string, source: Readable): Promise<{ sha256: string; bytes: number }> {
    const hash = createHash('sha256')
    let bytes = 0
    const counting = new Transform({
      transform: (chunk: Buffer, _encoding, done) => {
        bytes += chunk.length
        hash.update(chunk)
        done(bytes > limitBytes ? new TooLarge() : null, chunk)
      },
    })
    await pipeline(source, counting, createWriteStream(path, { flags: 'wx', mode: 0o600 }))
    await flush(path)
    return { sha256: hash.digest('hex'), bytes }
  }

  return {
    write: async (sha256, source) => {
      const path = `${pathOf(sha256)}.${random.slug(8)}${partial}`
      try {
        const received = await receive(path, source)
        if (received.sha256 !== sha256) return { kind: 'mismatch', sha256: received.sha256 }
        await rename(path, pathOf(sha256))
        await flush(directory)
        return { kind: 'kept', bytes: received.bytes }
      } catch (thrown) {
        if (thrown instanceof TooLarge) return { kind: 'too-large', limitBytes }
        const code = (thrown as NodeJS.ErrnoException).code
        if (code === 'ENOSPC' || code === 'EDQUOT') return { kind: 'no-space' }
        if (source.destroyed && !source.readableEnded) return { kind: 'cut' }
        throw thrown
      } finally {
        await rm(path, { force: true })
      }
    },
    read: async (sha256) => {
      const found = await stat(pathOf(sha256)).catch(() => undefined)
      if (found === undefined) return undefined
      return { stream: createReadStream(pathOf(sha256)), bytes: found.size }
    },
    remove: (sha256) => rm(pathOf(sha256), { force: true }),
  }
}

async function flush(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}
