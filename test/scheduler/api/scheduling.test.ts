// Where an instance may go, as users ask for it: alone on a host, beside others, apart from them.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { projectId } from '../../../proto/ids.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

let region: Region
beforeEach(async () => {
  region = await startRegion({ hosts: 3 })
})
afterEach(() => region.close())

const create = (id: string, scheduling?: object) =>
  region.call('POST', instancesPath, { body: { id, type: 'g1-xlarge', ...(scheduling && { scheduling }) } })
const hostOf = async (id: string) =>
  (await region.store.findInstance(projectId('project-x9y8z7'), id))?.hostId
const reasonsOf = (answer: { body: { error: { details: { reason: string; field: string }[] } } }) =>
  answer.body.error.details.map(({ reason, field }) => `${field}: ${reason}`)

describe('a group', () => {
  it('is apart, however many are asked for at once, and the one too many is told why', async () => {
    const answers = await Promise.all(['a', 'b', 'c', 'd'].map((id) => create(id, { antiAffinity: ['db'] })))
    const accepted = answers.filter(({ status }) => status === 202)
    expect(accepted).toHaveLength(3)
    expect(accepted[0]?.body.scheduling).toEqual({ antiAffinity: ['db'] })
    const hosts = await Promise.all(accepted.map(({ body }) => hostOf(body.id)))
    expect(new Set(hosts).size).toBe(3)
    const refused = answers.find(({ status }) => status !== 202)
    expect(refused?.status).toBe(409)
    expect(refused?.body.error.message).toContain('3 with those it is to be apart from')
    expect(refused && reasonsOf(refused)).toEqual(['scheduling.antiAffinity: POOL_CAPACITY_EXCEEDED'])
  })

  it('is together, and nobody who is apart is company', async () => {
    await create('loner', { antiAffinity: ['cache'] })
    await Promise.all(['a', 'b', 'c', 'd'].map((id) => create(id, { affinity: ['cache'] })))
    const hosts = await Promise.all(['a', 'b', 'c', 'd'].map(hostOf))
    expect(new Set(hosts).size).toBe(1)
    expect(hosts[0]).not.toBe(await hostOf('loner'))
  })

  it('is apart and together within a batch as well', async () => {
    const instances = [
      ...['a', 'b', 'c'].map((id) => ({ id, scheduling: { antiAffinity: ['db'] } })),
      { id: 'beside', scheduling: { affinity: ['app'] } },
      { id: 'there', scheduling: { affinity: ['app'] } },
    ].map((one) => ({ ...one, type: 'g1-xlarge' }))
    const { status } = await region.call('POST', `${instancesPath}:batchCreate`, { body: { instances } })
    expect(status).toBe(202)
    expect(new Set(await Promise.all(['a', 'b', 'c'].map(hostOf))).size).toBe(3)
    expect(await hostOf('beside')).toBe(await hostOf('there'))
  })
})

describe('a host for one alone', () => {
  it('is one where nobody is, and nobody comes to it', async () => {
    expect((await create('shared')).status).toBe(202)
    for (const id of ['one', 'two']) expect((await create(id, { isolation: 'host' })).status).toBe(202)
    const third = await create('three', { isolation: 'host' })
    expect([third.status, ...reasonsOf(third)]).toEqual([409, 'scheduling.isolation: POOL_CAPACITY_EXCEEDED'])
    await Promise.all(Array.from({ length: 3 }, (_, index) => create(`other-${index}`)))
    const hosts = await Promise.all(
      ['one', 'two', ...Array.from({ length: 3 }, (_, i) => `other-${i}`)].map(hostOf),
    )
    expect(new Set(hosts.slice(2))).toEqual(new Set([await hostOf('shared')]))
    expect(new Set(hosts).size).toBe(3)
  })
})

it('is on a host with the labels that it asks for, which operators write', async () => {
  const token = await region.issuer.tokenFor('operator')
  const hostPath = '/v1/regions/us-texas-1/hosts/host-2'
  const label = (labels: unknown, path = hostPath) => region.call('PATCH', path, { token, body: { labels } })
  const early = await create('early', { hostLabels: { rack: 'r1' } })
  expect([early.status, ...reasonsOf(early)]).toEqual([422, 'scheduling.hostLabels: CAN_NEVER_FIT'])
  expect((await label({ rack: 'r1' })).body.labels).toEqual({ rack: 'r1' })
  expect((await create('racked', { hostLabels: { rack: 'r1' } })).status).toBe(202)
  expect(await hostOf('racked')).toBe('host-2')
  expect((await label(null)).body.labels).toEqual({})
  expect((await create('late', { hostLabels: { rack: 'r1' } })).status).toBe(422)
  expect(await hostOf('racked')).toBe('host-2')

  expect(reasonsOf(await label({ Rack: 'r1' }))).toEqual(['labels.Rack: INVALID_LABEL'])
  expect((await label({}, hostPath.replace('host-2', 'host-9'))).status).toBe(404)
  expect((await region.call('PATCH', hostPath, { body: { labels: {} } })).status).toBe(403)
})

it('is planned as it would be placed', async () => {
  await Promise.all(['a', 'b', 'c'].map((id) => create(id, { antiAffinity: ['db'] })))
  const plan = (scheduling: object) =>
    region.call('POST', `${instancesPath}:plan`, { body: { type: 'g1-xlarge', scheduling } })
  expect((await plan({ antiAffinity: ['db'] })).body).toMatchObject({
    verdict: 'NOT_NOW',
    rules: [{ rule: 'anti-affinity', hostsRefused: 3, field: 'scheduling.antiAffinity' }],
  })
  expect((await plan({ affinity: ['app'], packing: 'spread' })).body).toMatchObject({ verdict: 'FITS' })
})

it('says all that is wrong with the wishes', async () => {
  const wrong = await create('a', {
    ...{ affinity: ['db'], antiAffinity: ['web', 'db'], hostLabels: { Rack: 'r1' } },
  })
  expect([wrong.status, ...reasonsOf(wrong)]).toEqual([
    400,
    'scheduling.hostLabels.Rack: INVALID_LABEL',
    'scheduling.antiAffinity[1]: INVALID_VALUE',
  ])
  const misshapen = await create('a', { isolation: 'rack', antiafinity: ['db'], affinity: ['DB'] })
  expect(reasonsOf(misshapen).toSorted()).toEqual([
    'scheduling.affinity[0]: INVALID_VALUE',
    'scheduling.antiafinity: UNKNOWN_FIELD',
    'scheduling.isolation: INVALID_VALUE',
  ])
  await create('b', { affinity: ['app'] })
  const patched = await region.call('PATCH', `${instancesPath}/b`, { body: { scheduling: null } })
  expect(reasonsOf(patched)).toEqual(['scheduling: IMMUTABLE_FIELD'])
})
