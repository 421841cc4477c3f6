import { createHash } from 'node:crypto'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { instancesPath, type Region, startRegion } from './region.ts'

const images = '/v1/regions/us-texas-1/compute/images'
const bytes = Buffer.from('the bytes of an image')
const sha256 = createHash('sha256').update(bytes).digest('hex')
let region: Region
let token = ''
beforeEach(async () => {
  region = await startRegion()
  token = await region.issuer.tokenFor('operator', '*:editor')
})
afterEach(() => region.close())

const make = (id: string) =>
  region.call('POST', images, { token, body: { id, sha256, format: 'raw', sizeGb: 1 } })
const headers = { 'content-type': 'application/octet-stream' }
const upload = async (id: string, body: Uint8Array<ArrayBuffer> | Buffer<ArrayBuffer>) => {
  const authorization = `Bearer ${token}`
  const address = `${region.url}${images}/${id}:upload`
  const response = await fetch(address, { method: 'POST', headers: { ...headers, authorization }, body })
  return { status: response.status, body: (await response.json()) as { status?: string; error?: object } }
}
const fetchBlob = () => fetch(`${region.url}/v1/blobs/${sha256}`)

it('keeps the bytes that were promised, and hosts can fetch them', async () => {
  expect((await make('mine')).body.status).toBe('PENDING')
  const create = () =>
    region.call('POST', instancesPath, {
      body: { type: 'g1-xlarge', disks: [{ source: 'mine' }] },
    })
  const early = await create()
  expect([early.status, early.body.error.details[0].reason]).toEqual([409, 'IMAGE_NOT_READY'])
  expect((await fetchBlob()).status).toBe(404)

  expect(await upload('mine', bytes)).toMatchObject({ status: 200, body: { status: 'READY' } })
  expect(await (await fetchBlob()).text()).toBe('the bytes of an image')
  const made = await create()
  expect(made.status).toBe(202)
  const spec = (await region.store.findInstance('project-x9y8z7' as never, String(made.body.id)))?.spec
  expect(spec?.disks[0]?.image?.url).toBe(`http://scheduler.example.net:8080/v1/blobs/${sha256}`)
  expect((await upload('mine', bytes)).status).toBe(409)
})

it('keeps nothing else', async () => {
  await make('mine')
  expect(await upload('mine', Buffer.from('other bytes'))).toMatchObject({
    ...{ status: 422, body: { error: { details: [{ reason: 'CHECKSUM_MISMATCH' }] } } },
  })
  expect((await upload('mine', Buffer.alloc(1_000_001))).status).toBe(413)
  expect((await fetchBlob()).status).toBe(404)
  expect((await upload('nothing', bytes)).status).toBe(404)
  // No other route takes such a body.
  const post = await region.call('POST', images, { token, text: 'x', headers })
  expect(post.status).toBe(415)
  expect((await upload('mine', bytes)).status).toBe(200)
})

it('forgets them with the last image that has them', async () => {
  for (const id of ['one', 'two']) {
    await make(id)
    await upload(id, bytes)
  }
  await region.call('DELETE', `${images}/one`, { token })
  expect((await fetchBlob()).status).toBe(200)
  await region.call('DELETE', `${images}/two`, { token })
  expect((await fetchBlob()).status).toBe(404)
})
