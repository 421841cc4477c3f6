// How much passes the NICs of a type's instances, as whoever makes and uses the type meets it.
import { afterEach, expect, it } from 'vitest'
import { readOutbox } from '../../contract/store-values.ts'
import { instancesPath, projectPath, type Region, startRegion } from './region.ts'

let region: Region
let token = ''
afterEach(() => region.close())

async function begin(features: readonly string[]) {
  region = await startRegion({ features })
  token = await region.issuer.tokenFor('project-x9y8z7:admin')
  const body = {
    ...{ id: 'slim', zone: 'us1-a', vcpus: 1, memoryMib: 512, networkMbps: 250 },
    defaultImage: 'ubuntu-24.04-20260202-3',
  }
  return region.call('POST', `${projectPath}/compute/instance-types`, { token, body })
}

it("is the type's, and every NIC has it", async () => {
  const made = await begin(['rate-limit'])
  expect([made.status, made.body.networkMbps]).toEqual([201, 250])
  const created = await region.call('POST', instancesPath, { body: { id: 'one', type: 'slim' } })
  expect([created.status, created.body.nics[0].networkMbps]).toEqual([202, 250])
  const [command] = await readOutbox(region.store)
  const spec = command?.body.case === 'ensureInstance' ? command.body.value.spec : undefined
  expect(spec?.nics.map(({ networkMbps }) => networkMbps)).toEqual([250])
  const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/custom-1-512'
  const custom = await region.call('POST', instancesPath, {
    body: { id: 'two', type, disks: [{ source: 'ubuntu-24.04-20260202-3' }] },
  })
  expect([custom.status, custom.body.nics[0]]).toEqual([
    ...[202, expect.not.objectContaining({ networkMbps: expect.anything() })],
  ])
})

it('is promised by no host that can not hold it', async () => {
  await begin([])
  const refused = await region.call('POST', instancesPath, { body: { id: 'one', type: 'slim' } })
  expect([refused.status, refused.body.error.details[0].reason]).toEqual([422, 'CAN_NEVER_FIT'])
  expect(refused.body.error.message).toContain('it lacks rate-limit')
  const reserved = await region.call('POST', `${projectPath}/compute/reservations`, {
    ...{ token, body: { type: 'slim', count: 1 } },
  })
  expect(reserved.status).toBe(422)
})

it.each([0, 100_001, 1.5])('is not %d', async (networkMbps) => {
  await begin(['rate-limit'])
  const body = { id: 'odd', zone: 'us1-a', vcpus: 1, memoryMib: 512, networkMbps }
  const refused = await region.call('POST', `${projectPath}/compute/instance-types`, { token, body })
  expect([refused.status, refused.body.error.details[0].field]).toEqual([400, 'networkMbps'])
})
