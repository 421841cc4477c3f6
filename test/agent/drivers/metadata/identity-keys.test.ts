import { createPrivateKey, createPublicKey } from 'node:crypto'
import { beforeEach, expect, it } from 'vitest'
import { createIdentityKeys } from '../../../../agent/drivers/metadata/identity-keys.ts'
import { FakeFiles } from '../../../../agent/host/fake/fake-files.ts'
import { parseIdentityFile } from '../../../../agent/metadata/identity-file.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'

const path = '/state/metadata/identity.json'
const hourMs = 3_600_000
let nowMs: number
let files: FakeFiles
/** As an agent that has just started has them. */
const keysNow = () =>
  createIdentityKeys({
    files,
    directories: { state: '/state', run: '/run' },
    clock: { ...systemClock, nowMs: () => nowMs },
    log: silentLogger,
  })
const readNow = async () => parseIdentityFile(new TextDecoder().decode(await files.read(path)))

beforeEach(() => {
  nowMs = 1_800_000_000_000
  files = new FakeFiles({ totalBytes: 1e6, nowMs: () => 0 })
})

it('makes a key that only the worker may read, and signs with it once it is published', async () => {
  const [key, ...others] = await keysNow().announce()
  expect(others).toEqual([])
  expect(
    createPublicKey({ key: Buffer.from(key ?? []), format: 'der', type: 'spki' }).asymmetricKeyType,
  ).toBe('ec')
  expect(await files.stat(path)).toMatchObject({ mode: 0o640, uid: 0, gid: 199_999 })
  expect((await readNow()).current).toBeUndefined()
  await keysNow().published('https://a.example')
  expect(await readNow()).toMatchObject({ issuer: 'https://a.example', current: { madeAtMs: nowMs } })
})

it('keeps the key over restarts and other issuers, and gives the private one to nobody', async () => {
  const first = await keysNow().announce()
  await keysNow().published('https://a.example')
  const { current } = await readNow()
  expect(await keysNow().announce()).toEqual(first)
  await keysNow().published('https://b.example')
  expect(await readNow()).toMatchObject({ issuer: 'https://b.example', current })
  const { d = '' } = createPrivateKey(current?.privateKey ?? '').export({ format: 'jwk' })
  expect(d).toMatch(/^[\w-]{43}$/)
  expect(Buffer.concat(await keysNow().announce()).includes(Buffer.from(d, 'base64url'))).toBe(false)
})

it('changes the key after a year, and the former one stays published while its tokens are good', async () => {
  const [first] = await keysNow().announce()
  await keysNow().published('https://a.example')
  nowMs += 365 * 24 * hourMs
  const both = await keysNow().announce()
  expect(both).toHaveLength(2)
  expect(both[0]).toEqual(first)
  // A scheduler that is away publishes nothing: the old one signs on.
  expect(Buffer.from((await readNow()).current?.publicKey ?? '', 'base64')).toEqual(first)
  await keysNow().published('https://a.example')
  expect(Buffer.from((await readNow()).current?.publicKey ?? '', 'base64')).toEqual(both[1])
  nowMs += hourMs
  expect(await keysNow().announce()).toEqual([both[1], first])
  nowMs += 2 * hourMs
  expect(await keysNow().announce()).toEqual([both[1]])
})

it('makes another where the file is damaged, and none where the disk is full', async () => {
  const first = await keysNow().announce()
  await files.writeAtomic(path, '{"former":')
  const second = await keysNow().announce()
  expect(second).toHaveLength(1)
  expect(second).not.toEqual(first)
  files = new FakeFiles({ totalBytes: 0, nowMs: () => 0 })
  expect(await keysNow().announce()).toEqual([])
  await keysNow().published('https://a.example')
})

it('says nothing of an issuer that the scheduler does not know', async () => {
  await keysNow().announce()
  await keysNow().published('')
  expect((await readNow()).issuer).toBeUndefined()
})
