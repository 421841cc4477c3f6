import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { instancesPath, type Region, startRegion } from './region.ts'

let region: Region
const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
beforeAll(async () => {
  region = await startRegion()
  for (const [id, labels] of [
    ['web-1', { team: 'front', tier: 'web' }],
    ['web-2', { team: 'front', tier: 'web' }],
    ['db-1', { team: 'data' }],
    ['lone', {}],
  ] as const) {
    await region.call('POST', instancesPath, { body: { type, id, labels } })
  }
})
afterAll(() => region.close())

async function list(query: Record<string, string>): Promise<readonly string[]> {
  const { body, status } = await region.call('GET', `${instancesPath}?${new URLSearchParams(query)}`)
  expect(status).toBe(200)
  return (body.instances as { id: string }[]).map(({ id }) => id)
}

describe('a list', () => {
  it.each([
    ['labels.team:front', ['web-1', 'web-2']],
    ['labels.team=front AND NOT id=web-1', ['web-2']],
    ['labels.team:data OR id=lone', ['db-1', 'lone']],
    ['-labels:team', ['lone']],
    ['labels.team!=front', ['db-1', 'lone']],
    ['id=web-*', ['web-1', 'web-2']],
    ['labels.tier=w*', ['web-1', 'web-2']],
    ['lifecycle.status=PROVISIONING createdAt>"2026-01-01"', ['web-1', 'web-2', 'db-1', 'lone']],
    ['lifecycle.status=RUNNING', []],
    ['createdAt<"2026-01-01"', []],
    ['type=g1-small id=lone', ['lone']],
    [`type="${type}" id=lone`, ['lone']],
    [`id="x' OR 1=1 --"`, []],
  ])('finds %s', async (filter, expected) => {
    expect(await list({ filter })).toEqual(expected)
  })

  it('is in the order that is asked, page after page', async () => {
    expect(await list({ orderBy: 'id' })).toEqual(['db-1', 'lone', 'web-1', 'web-2'])
    expect(await list({ orderBy: 'createdAt desc' })).toEqual(['lone', 'db-1', 'web-2', 'web-1'])
    for (const orderBy of ['id', 'id desc', 'createdAt', 'createdAt desc', 'updatedAt', 'updatedAt desc']) {
      const whole = await list({ orderBy })
      const seen: string[] = []
      for (let token: string | undefined = ''; token !== undefined; ) {
        const query = new URLSearchParams({
          orderBy,
          pageSize: '1',
          ...(token === '' ? {} : { pageToken: token }),
        })
        const { body } = await region.call('GET', `${instancesPath}?${query}`)
        seen.push(...(body.instances as { id: string }[]).map(({ id }) => id))
        token = body.nextPageToken as string | undefined
      }
      expect(seen).toEqual(whole)
    }
  })

  it('follows a change of labels, and what is new on a later page only', async () => {
    await region.call('PATCH', `${instancesPath}/lone`, { body: { labels: { team: 'new' } } })
    expect(await list({ filter: 'labels.team:new' })).toEqual(['lone'])
    expect((await list({ orderBy: 'updatedAt desc' }))[0]).toBe('lone')
  })

  it.each([
    [{ filter: 'color=red' }, 'filter'],
    [{ orderBy: 'color' }, 'orderBy'],
    [{ watch: 'yes' }, 'watch'],
    [{ watch: 'true', pageSize: '5' }, 'pageSize'],
    [{ pageToken: 'abc' }, 'pageToken'],
  ])('refuses %j', async (query, field) => {
    const { status, body } = await region.call(
      'GET',
      `${instancesPath}?${new URLSearchParams(query as Record<string, string>)}`,
    )
    expect([status, body.error.details[0].field]).toEqual([400, field])
  })

  it('refuses a token that belongs to another query', async () => {
    const { body } = await region.call('GET', `${instancesPath}?pageSize=1&orderBy=id`)
    const query = new URLSearchParams({ pageSize: '1', pageToken: body.nextPageToken as string })
    expect((await region.call('GET', `${instancesPath}?${query}`)).status).toBe(400)
  })
})
