// Several at once on hosts that share the value of a label: together where one value has room for all, or not at all.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { projectId } from '../../../proto/ids.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

let region: Region
/** Two GPUs each: two hosts in rack r1, one in r2, one in none. */
beforeEach(async () => {
  region = await startRegion({ hosts: 4 })
  const token = await region.issuer.tokenFor('operator')
  for (const [host, rack] of Object.entries({ 'host-1': 'r1', 'host-2': 'r1', 'host-3': 'r2' })) {
    const path = `/v1/regions/us-texas-1/hosts/${host}`
    await region.call('PATCH', path, { token, body: { labels: { rack } } })
  }
})
afterEach(() => region.close())

const gpu = { type: 'nvidia-h100-80gb', count: 1 }

const items = (ids: readonly string[], rest: object = {}) =>
  ids.map((id) => ({ id, type: 'g1-xlarge', gpus: [gpu], ...rest }))
const batch = (
  ids: readonly string[],
  { label = 'rack', rest, key }: { label?: string; rest?: object; key?: string } = {},
) =>
  region.call('POST', `${instancesPath}:batchCreate`, {
    body: { instances: items(ids, rest), scheduling: { sameHostLabel: label } },
    ...(key === undefined ? {} : { headers: { 'idempotency-key': key } }),
  })
const hostsOf = (ids: readonly string[]) =>
  Promise.all(
    ids.map(
      async (id) => (await region.store.findInstance(projectId('project-x9y8z7'), id))?.hostId ?? 'none',
    ),
  )
const errorOf = ({ status, body: { error } }: Awaited<ReturnType<typeof batch>>) => ({
  status,
  message: error.message,
  details: error.details.map(({ reason, field }: { reason: string; field: string }) => `${field}: ${reason}`),
})

it('is together, where the least stays over, and each of them says on which hosts', async () => {
  const [pair, rest] = [
    ['a', 'b'],
    ['c', 'd', 'e', 'f'],
  ]
  const first = await batch(pair)
  expect(first.status).toBe(202)
  expect(await hostsOf(pair)).toEqual(['host-3', 'host-3'])
  expect(first.body.instances[0].scheduling).toEqual({ hostLabels: { rack: 'r2' } })
  expect((await batch(rest)).status).toBe(202)
  expect((await hostsOf(rest)).toSorted()).toEqual(['host-1', 'host-1', 'host-2', 'host-2'])
})

it('is none of them where no value has room for all, and says which has room for how many', async () => {
  await region.call('POST', instancesPath, {
    body: { ...items(['first'])[0], scheduling: { hostLabels: { rack: 'r1' } } },
  })
  const ids = ['a', 'b', 'c', 'd']
  expect(errorOf(await batch(ids))).toEqual({
    status: 409,
    message:
      'None of the instances was created, for no hosts of one rack have room for all of them: rack r1 has room for 3 of 4, the most of 2. Try again later, ask for fewer, or leave sameHostLabel out.',
    details: ['scheduling.sameHostLabel: POOL_CAPACITY_EXCEEDED'],
  })
  expect(await hostsOf(ids)).toEqual(['none', 'none', 'none', 'none'])
  const anywhere = { body: { instances: items(ids) } }
  expect((await region.call('POST', `${instancesPath}:batchCreate`, anywhere)).status).toBe(202)
})

it('says never where the hosts of no value could take them if nobody were there', async () => {
  const refused = errorOf(await batch(['a', 'b', 'c', 'd', 'e']))
  expect(refused).toMatchObject({ status: 422, details: ['scheduling.sameHostLabel: CAN_NEVER_FIT'] })
  expect(refused.message).toContain('rack r1 has room for 4 of 5, the most of 2. Nor would they')
  const unlabelled = errorOf(await batch(['a', 'b'], { label: 'nvlink-domain' }))
  expect(unlabelled).toMatchObject({
    status: 422,
    details: ['instances[0].scheduling.hostLabels: CAN_NEVER_FIT'],
  })
  expect(unlabelled.message).toContain('4 other labels')
})

it('holds with what each of them wants for itself', async () => {
  const apart = { scheduling: { antiAffinity: ['workers'] } }
  expect((await batch(['a', 'b'], { rest: apart })).status).toBe(202)
  expect((await hostsOf(['a', 'b'])).toSorted()).toEqual(['host-1', 'host-2'])
  expect(errorOf(await batch(['c', 'd'], { rest: apart })).status).toBe(409)
  const elsewhere = { scheduling: { hostLabels: { rack: 'r2' } } }
  expect((await batch(['e', 'f'], { rest: elsewhere })).status).toBe(202)
  expect(await hostsOf(['e', 'f'])).toEqual(['host-3', 'host-3'])
})

it('is one request with its label: repeated it is the same, with another label it is refused', async () => {
  const first = await batch(['a', 'b'], { key: 'one' })
  const again = await batch(['a', 'b'], { key: 'one' })
  expect([again.status, again.body]).toEqual([202, first.body])
  expect(errorOf(await batch(['a', 'b'], { key: 'one', label: 'row' })).details).toEqual([
    'instances[0]: IDEMPOTENCY_KEY_REUSED',
  ])
})

it('refuses what is no key of a label', async () => {
  expect(errorOf(await batch(['a'], { label: 'Rack' })).details).toEqual([
    'scheduling.sameHostLabel: INVALID_VALUE',
  ])
})
