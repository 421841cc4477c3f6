// Several at once, asked first: what the plan says is what the create does, or is answered.
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { projectId } from '../../../proto/ids.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

let region: Region
let operator: string
/** Two GPUs each: two hosts in rack r1, one in r2, one in none. */
beforeEach(async () => {
  region = await startRegion({ hosts: 4 })
  operator = await region.issuer.tokenFor('operator', 'project-x9y8z7:viewer')
  for (const [host, rack] of Object.entries({ 'host-1': 'r1', 'host-2': 'r1', 'host-3': 'r2' })) {
    const path = `/v1/regions/us-texas-1/hosts/${host}`
    await region.call('PATCH', path, { token: operator, body: { labels: { rack } } })
  }
})
afterEach(() => region.close())

const gpu = { type: 'nvidia-h100-80gb', count: 1 }
const items = (ids: readonly string[], rest: object = {}) =>
  ids.map((id) => ({ id, type: 'g1-xlarge', gpus: [gpu], ...rest }))
const inRack = (instances: readonly object[]) => ({ instances, scheduling: { sameHostLabel: 'rack' } })
const plan = (body: object, token?: string) =>
  region.call('POST', `${instancesPath}:batchPlan`, token === undefined ? { body } : { body, token })
const create = (body: object) => region.call('POST', `${instancesPath}:batchCreate`, { body })

interface Member {
  readonly id?: string
  readonly plan?: {
    readonly verdict: string
    readonly rules: readonly { rule: string; hostsRefused: number; hostsLeft: number }[]
    readonly placement: { host?: string; devices?: { address: string }[]; refusals: unknown[] }
  }
}
const membersOf = ({ body }: Awaited<ReturnType<typeof plan>>) => body.instances as readonly Member[]
const placeOf = (member: Member) => [
  member.plan?.placement.host,
  member.plan?.placement.devices?.map(({ address }) => address),
]
const rulesOf = (member: Member | undefined) =>
  member?.plan?.rules.map(({ rule, hostsRefused, hostsLeft }) => [rule, hostsRefused, hostsLeft])

describe('POST …/instances:batchPlan', () => {
  it('gives each a place around those before it, and takes nothing', async () => {
    const body = { instances: items(['a', 'b', 'c', 'd', 'e', 'f', 'g', 'h']) }
    const answer = await plan(body, operator)
    expect(answer).toMatchObject({ status: 200, body: { verdict: 'FITS', details: [] } })
    const places = membersOf(answer).map(placeOf)
    expect(new Set(places.map((place) => JSON.stringify(place))).size).toBe(8)
    // The last has the one GPU that is left.
    expect(rulesOf(membersOf(answer).at(-1))).toEqual([['gpu-count', 3, 1]])
    expect((await region.call('GET', instancesPath)).body.instances).toEqual([])
    expect((await create(body)).status).toBe(202)
  })

  it('names hosts to operators alone', async () => {
    const body = inRack(items(['a', 'b', 'c', 'd', 'e']))
    expect(JSON.stringify((await plan(body)).body)).not.toContain('host-')
    const refused = membersOf(await plan(body, operator)).find((member) => member.plan?.verdict === 'NOT_NOW')
    expect(refused?.plan?.placement.refusals).toHaveLength(4)
  })

  it('says on hosts of which value they would be, and the create goes there', async () => {
    const body = inRack(items(['a', 'b']))
    const answer = await plan(body, operator)
    expect(answer.body).toMatchObject({
      ...{ verdict: 'FITS', message: 'All of them fit now, on hosts with rack r2.' },
      sameHostLabel: { key: 'rack', value: 'r2' },
    })
    expect(membersOf(answer).map((member) => member.plan?.placement.host)).toEqual(['host-3', 'host-3'])
    expect(membersOf(answer).map(rulesOf)).toEqual([[['labels', 3, 1]], [['labels', 3, 1]]])
    await create(body)
    for (const id of ['a', 'b']) {
      expect((await region.store.findInstance(projectId('project-x9y8z7'), id))?.hostId).toBe('host-3')
    }
  })

  it('shows the nearest value where none has room for all, and who is in the way there', async () => {
    await create({ instances: items(['first'], { scheduling: { hostLabels: { rack: 'r1' } } }) })
    const body = inRack(items(['a', 'b', 'c', 'd']))
    const answer = await plan(body, operator)
    expect(answer.body).toMatchObject({
      verdict: 'NOT_NOW',
      details: [{ reason: 'POOL_CAPACITY_EXCEEDED', field: 'scheduling.sameHostLabel' }],
      sameHostLabel: {
        ...{ key: 'rack', valuesRefused: 2 },
        nearest: [
          { value: 'r1', roomFor: 3 },
          { value: 'r2', roomFor: 2 },
        ],
      },
    })
    expect(answer.body.sameHostLabel).not.toHaveProperty('value')
    expect(membersOf(answer).map((member) => member.plan?.verdict)).toEqual([
      ...['FITS', 'FITS', 'FITS', 'NOT_NOW'],
    ])
    expect(rulesOf(membersOf(answer)[3])).toEqual([
      ['labels', 2, 2],
      ['gpu-count', 2, 0],
    ])
    expect(answer.body.message).toBe((await create(body)).body.error.message)
  })

  it('says never as the create does, whether it is all of them or one', async () => {
    for (const body of [
      inRack(items(['a', 'b', 'c', 'd', 'e'])),
      inRack([...items(['a']), ...items(['big'], { gpus: [{ ...gpu, count: 3 }] })]),
      { instances: [...items(['a']), ...items(['big'], { gpus: [{ ...gpu, count: 3 }] })] },
      { instances: items(['a', 'b']), scheduling: { sameHostLabel: 'nvlink-domain' } },
    ]) {
      const [{ body: planned }, { status, body: created }] = [await plan(body), await create(body)]
      expect([status, planned.verdict]).toEqual([422, 'NEVER'])
      expect([planned.message, planned.details]).toEqual([created.error.message, created.error.details])
    }
  })

  it('says what less of the one in the way would fit beside those before it', async () => {
    const answer = await plan({
      instances: [
        ...items(['pairs-1', 'pairs-2', 'pairs-3'], { gpus: [{ ...gpu, count: 2 }] }),
        ...items(['a', 'b', 'c']),
      ],
    })
    expect(answer.body.verdict).toBe('NOT_NOW')
    expect(membersOf(answer).map((member) => member.plan?.verdict)).toEqual([
      ...['FITS', 'FITS', 'FITS', 'FITS', 'FITS', 'NOT_NOW'],
    ])
    expect(answer.body.instances[5].plan.counterfactuals).toMatchObject([{ field: 'gpus', value: 0 }])
  })

  it('leaves out those whose turn had not come', async () => {
    const answer = await plan({
      instances: [...items(['small']), ...items(['big'], { gpus: [{ ...gpu, count: 3 }] })],
    })
    expect(membersOf(answer).map((member) => member.plan?.verdict)).toEqual([undefined, 'NEVER'])
  })

  it('refuses what a create would refuse', async () => {
    const { status, body } = await plan({
      instances: [{ type: 'g9-huge' }, { type: 'g1-xlarge', hostname: '-' }],
    })
    expect(status).toBe(422)
    expect((body.error.details as { field: string }[]).map(({ field }) => field)).toEqual([
      ...['instances[0].type', 'instances[1].hostname'],
    ])
    expect((await plan({ instances: [] })).status).toBe(400)
  })
})
