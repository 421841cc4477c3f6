// Guest attributes from the file that the metadata worker writes to the API's answer, over a simulated host.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { instancePaths } from '../../agent/plan/paths.ts'
import { projectId } from '../../proto/ids.ts'
import { readGuestAttributes } from '../../scheduler/operations/read-guest-attributes.ts'
import { updateInstance } from '../../scheduler/operations/update-instance.ts'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

let region: SmallRegion
beforeAll(async () => {
  region = await startSmallRegion()
})
afterAll(() => region.close())

const slotsOf = (uid: string) => instancePaths({ state: '/state', run: '/run/berth' }, uid).attributeSlots
const project = projectId('project-x9y8z7')
const read = (uid: string, queryPath = '') =>
  readGuestAttributes({ project, idOrUid: uid, queryPath }, region.ports)

async function runningGuest(instanceMetadata: object[]): Promise<string> {
  const { uid } = await region.create({ instanceMetadata })
  await region.until(uid, (one) => one?.status === 'RUNNING')
  return uid
}

it('what a guest has put is read through its host, outlives a stop and an agent, and goes with it', async () => {
  const uid = await runningGuest([{ key: 'enable-guest-attributes', value: 'TRUE' }])
  const attribute = { namespace: 'app', key: 'state', value: 'ready' }
  const content = JSON.stringify({ sequence: 1, attributes: [attribute] })
  const items = { kind: 'done', value: { items: [attribute] } }
  expect(await read(uid)).toMatchObject({ value: { items: [] } })
  const [first] = slotsOf(uid)
  // As the worker does: what is there is written to, nothing is made.
  expect(await region.host.files.stat(first)).toMatchObject({ sizeBytes: 0, uid: 199_999 })
  region.host.files.place(first, { content: new TextEncoder().encode(content), uid: 199_999 })
  expect(await read(uid, 'app/state')).toMatchObject(items)
  await region.change('stop', uid)
  await region.until(uid, (one) => one?.status === 'STOPPED' && one.holds === 'storage')
  expect(await read(uid)).toMatchObject(items)
  await region.change('start', uid)
  await region.until(uid, (one) => one?.status === 'RUNNING')
  await region.restartAgent()
  expect(await read(uid)).toMatchObject(items)
  await region.delete(uid)
  await region.until(uid, (one) => one === undefined)
  expect(region.host.files.paths().filter((path) => path.includes('guest-attributes'))).toEqual([])
})

it('an instance that was not asked to has none, and may be asked to while it runs', async () => {
  const uid = await runningGuest([])
  expect(await read(uid)).toMatchObject({ value: { items: [] } })
  const document = async () => {
    const [path = ''] = region.host.files
      .paths()
      .filter((one) => /\/metadata\/.*\/10\.80\..*\.json$/.test(one))
    return JSON.parse(new TextDecoder().decode(await region.host.files.read(path)))
  }
  expect(await document()).not.toHaveProperty('attributeSlots')
  const instanceMetadata = [{ key: 'enable-guest-attributes', value: 'true' }]
  const asked = { project, idOrUid: uid, principal: 'tester', requestId: 'req_test' }
  const updated = await updateInstance({ ...asked, body: { instanceMetadata } }, region.ports)
  expect(updated.kind).toBe('done')
  await expect.poll(document).toMatchObject({ attributeSlots: slotsOf(uid) })
})

it('a host that is away is no answer', async () => {
  const uid = await runningGuest([])
  await region.stopAgent()
  expect(await read(uid)).toMatchObject({
    kind: 'refused',
    problems: [{ reason: 'GUEST_ATTRIBUTES_UNAVAILABLE' }],
  })
})
