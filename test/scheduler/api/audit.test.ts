import { afterEach, beforeEach, expect, it } from 'vitest'
import { instancesPath, projectPath, type Region, startRegion } from './region.ts'

const regionPath = '/v1/regions/us-texas-1'
let region: Region
let operator = ''
beforeEach(async () => {
  region = await startRegion()
  operator = await region.issuer.tokenFor('operator', 'project-x9y8z7:admin')
})
afterEach(() => region.close())

const read = async (path: string) => {
  const { body } = await region.call('GET', path, { token: operator })
  return body as { entries: Record<string, unknown>[]; nextPageToken?: string }
}

it('tells who asked for what, newest first, also what was refused', async () => {
  const body = { type: 'g1-xlarge', id: 'one', instanceMetadata: [{ key: 'secret', value: 'hunter2' }] }
  const made = await region.call('POST', instancesPath, { body, headers: { 'x-request-id': 'mine' } })
  await region.call('POST', instancesPath, { body })
  await region.call('POST', `${instancesPath}:plan`, { body })
  await region.call('GET', instancesPath)
  await region.call('POST', instancesPath, { body, token: '' })
  const viewer = await region.issuer.tokenFor('project-x9y8z7:viewer')
  await region.call('DELETE', `${instancesPath}/one`, { token: viewer })
  await region.call('POST', `${regionPath}/hosts/host-1:cordon`, { token: operator })

  const { entries } = await read(`${projectPath}/audit`)
  expect(entries).toMatchObject([
    { action: 'deleteInstance', status: 403, reason: 'ROLE_MISSING', path: `${instancesPath}/one` },
    { action: 'createInstance', status: 409, reason: 'NAME_TAKEN' },
    { action: 'createInstance', status: 202, requestId: 'mine', project: 'project-x9y8z7', method: 'POST' },
  ])
  expect(entries[2]).not.toHaveProperty('reason')
  expect(entries[2]?.['principal']).toBeTruthy()
  expect(entries[2]?.['sourceAddress']).toBe('127.0.0.1')
  expect(made.status).toBe(202)
  expect(JSON.stringify(entries)).not.toContain('hunter2')

  const all = await read(`${regionPath}/audit?pageSize=1`)
  expect(all.entries).toMatchObject([{ action: 'cordonHost', status: 200 }])
  const next = await read(`${regionPath}/audit?pageSize=500&pageToken=${all.nextPageToken ?? ''}`)
  expect(next.entries).toEqual(entries)
  expect((await read(`${regionPath}/audit?requestId=mine`)).entries).toEqual([entries[2]])
  expect((await read(`${regionPath}/audit?principal=nobody`)).entries).toEqual([])
})
