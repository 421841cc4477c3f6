// `berth images upload`: hashes a file, registers it, and sends its bytes. What it is follows from its first bytes.
import { createHash } from 'node:crypto'
import { createReadStream, openSync, readSync, statSync } from 'node:fs'
import { Readable, Transform } from 'node:stream'
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { apiErrorOf } from '../client/api-error.ts'
import { createClient, type Resource } from '../client/client.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { usageError } from '../exit-codes.ts'
import { type Progress, showProgress } from '../output/progress.ts'
import { print, rowOf } from './actions.ts'
import { kinds } from './kinds.ts'

interface UploadFlags extends ContextFlags {
  readonly output: string
  readonly file: string
  readonly family?: string
  readonly description?: string
  readonly architecture?: string
  readonly metadataFlavour?: string
  readonly seedDisk?: boolean
  readonly firmware?: string
}

const gib = 1024 ** 3

export async function uploadAction(id: string, flags: UploadFlags): Promise<void> {
  const { file, family, description, architecture, metadataFlavour, seedDisk, firmware } = flags
  const { format, sizeGb, bytes } = describeFile(file)
  const context = resolveContext(flags)
  const client = createClient({ context, clock: systemClock, random: systemRandom })
  const image = await showProgress(
    { title: `Uploading image ${id}`, clock: systemClock, isTerminal: process.stderr.isTTY },
    async (progress) => {
      const sha256 = await hash(file, bytes, progress)
      const said = { family, description, architecture, metadataFlavour, seedDisk, firmware }
      const body = { id, sha256, format, sizeGb, ...said }
      const idempotencyKey = systemRandom.uuid()
      await client.changeCollection({ method: 'POST', path: 'compute/images', body, idempotencyKey })
      const url = `${context.server}/v1/regions/${context.region}/compute/images/${encodeURIComponent(id)}:upload`
      return send(url, { file, bytes, token: context.token, progress })
    },
  )
  const kind = kinds.find(({ command }) => command === 'images')
  if (kind !== undefined) await print(image, flags, rowOf(kind))
}

function describeFile(file: string): { format: 'raw' | 'qcow2'; sizeGb: number; bytes: number } {
  const found = statSync(file, { throwIfNoEntry: false })
  if (found?.isFile() !== true) throw usageError(`There is no file ${file}.`)
  const head = Buffer.alloc(32)
  readSync(openSync(file, 'r'), head)
  const isQcow2 = head.toString('latin1', 0, 4) === 'QFI\u00fb'
  const virtualBytes = isQcow2 ? Number(head.readBigUInt64BE(24)) : found.size
  return {
    format: isQcow2 ? 'qcow2' : 'raw',
    sizeGb: Math.max(1, Math.ceil(virtualBytes / gib)),
    bytes: found.size,
  }
}

async function hash(file: string, bytes: number, progress: Progress): Promise<string> {
  const digest = createHash('sha256')
  await createReadStream(file)
    .pipe(counting(bytes, (share) => progress.say(`Reading  ${share}`)))
    .forEach((chunk: Buffer) => {
      digest.update(chunk)
    })
  return digest.digest('hex')
}

async function send(
  url: string,
  { file, bytes, token, progress }: { file: string; bytes: number; token: string; progress: Progress },
): Promise<Resource> {
  const stream = createReadStream(file).pipe(counting(bytes, (share) => progress.say(`Sending  ${share}`)))
  const response = await fetch(url, {
    method: 'POST',
    headers: {
      authorization: `Bearer ${token}`,
      'content-type': 'application/octet-stream',
      'content-length': String(bytes),
    },
    body: Readable.toWeb(stream),
    duplex: 'half',
  })
  const answer: unknown = await response.json()
  if (!response.ok) throw apiErrorOf(response.status, answer)
  return answer as Resource
}

/** Says how far it is, at each tenth. */
function counting(bytes: number, say: (share: string) => void): Transform {
  let done = 0
  let told = -1
  return new Transform({
    transform: (chunk: Buffer, _encoding, next) => {
      done += chunk.length
      const tenths = Math.floor((done / Math.max(bytes, 1)) * 10)
      if (tenths > told) say(`${Math.round(done / 1024 ** 2)} of ${Math.round(bytes / 1024 ** 2)} MiB`)
      told = Math.max(tenths, told)
      next(null, chunk)
    },
  })
}
