// Owns the keys that this host signs its guests' identities with. A key is made here, never leaves the host, and signs
// nothing before the scheduler has published it; one that signs no more stays published while its tokens are good.
// It never signs: the metadata worker does, with the agent and the scheduler gone as well.
import { createHash, generateKeyPairSync } from 'node:crypto'
import type { Clock } from '../../../lib/clock.ts'
import type { Logger } from '../../../lib/log.ts'
import type { Files } from '../../host/ports.ts'
import {
  type IdentityFile,
  type IdentityKey,
  identityFileName,
  parseIdentityFile,
} from '../../metadata/identity-file.ts'
import { type AgentDirectories, metadataDirectory } from '../../plan/paths.ts'
import { readableByWorker } from './metadata-user.ts'

export interface IdentityKeys {
  /** Public keys for the scheduler to publish; the first ones are made here. Never fails: guests need none to run. */
  announce(): Promise<readonly Uint8Array[]>
  /** What was announced last is published, and tokens are this issuer's. */
  published(issuer: string): Promise<void>
}

const signsForMs = 365 * 24 * 3_600_000
/** Longer than the life of a token, which is an hour. */
const keptAfterMs = 2 * 3_600_000

export function createIdentityKeys(options: {
  files: Files
  directories: AgentDirectories
  clock: Clock
  log: Logger
}): IdentityKeys {
  const { files, clock, log } = options
  const directory = metadataDirectory(options.directories)
  const path = `${directory}/${identityFileName}`

  const read = async (): Promise<IdentityFile> => {
    const content = await files.read(path)
    if (content === undefined) return { former: [] }
    try {
      return parseIdentityFile(new TextDecoder().decode(content))
    } catch (err) {
      log.error({ err, path }, "The keys of guests' identity can not be read: there are new ones.")
      return { former: [] }
    }
  }

  const write = async (file: IdentityFile) => {
    await files.makeDirectory(directory)
    await files.writeAtomic(path, JSON.stringify(file), { mode: 0o640, owner: readableByWorker })
  }

  const prepare = async (): Promise<IdentityFile> => {
    const known = await read()
    const nowMs = clock.nowMs()
    const former = known.former.filter(({ untilMs }) => untilMs > nowMs)
    const isDue = known.current === undefined || known.current.madeAtMs + signsForMs <= nowMs
    if (former.length === known.former.length && (known.next !== undefined || !isDue)) return known
    const next = known.next ?? (isDue ? makeKey(nowMs) : undefined)
    const file = { ...known, former, ...(next === undefined ? {} : { next }) }
    await write(file)
    return file
  }

  const trouble = "The keys of guests' identity could not be prepared: guests may get no tokens."

  return {
    announce: async () => {
      try {
        const { current, next, former } = await prepare()
        const keys = [current, next, ...former].filter((key) => key !== undefined)
        return keys.map(({ publicKey }) => Buffer.from(publicKey, 'base64'))
      } catch (err) {
        log.error({ err }, trouble)
        return []
      }
    },
    published: async (issuer) => {
      if (issuer === '') return
      try {
        const { next, ...file } = await read()
        if (next === undefined && file.issuer === issuer) return
        await write({ ...file, issuer, ...(next === undefined ? {} : promote(next, file, clock.nowMs())) })
      } catch (err) {
        log.error({ err }, trouble)
      }
    },
  }
}

function promote(next: IdentityKey, { current, former }: IdentityFile, nowMs: number) {
  const retired =
    current === undefined ? [] : [{ publicKey: current.publicKey, untilMs: nowMs + keptAfterMs }]
  return { current: next, former: [...former, ...retired] }
}

function makeKey(madeAtMs: number): IdentityKey {
  const { publicKey, privateKey } = generateKeyPairSync('ec', { namedCurve: 'P-256' })
  const { crv, kty, x, y } = publicKey.export({ format: 'jwk' })
  // RFC 7638: these members, in this order.
  const kid = createHash('sha256').update(JSON.stringify({ crv, kty, x, y })).digest('base64url')
  return {
    ...{ kid, madeAtMs },
    privateKey: privateKey.export({ type: 'pkcs8', format: 'pem' }).toString(),
    publicKey: publicKey.export({ type: 'spki', format: 'der' }).toString('base64'),
  }
}
