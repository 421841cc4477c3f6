// What boots an image, from whoever registers it to the host that its guests go to.
import { afterEach, expect, it } from 'vitest'
import { Firmware } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { readOutbox } from '../../contract/store-values.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

let region: Region
afterEach(() => region.close())

async function begin(features: readonly string[], firmware?: string) {
  region = await startRegion({ features })
  const body = {
    ...{ id: 'modern', url: 'https://images.test/modern.qcow2', sha256: 'a'.repeat(64) },
    ...{ format: 'qcow2', sizeGb: 1, ...(firmware === undefined ? {} : { firmware }) },
  }
  const token = await region.issuer.tokenFor('operator')
  return region.call('POST', '/v1/regions/us-texas-1/compute/images', { token, body })
}

const createFromImage = () =>
  region.call('POST', instancesPath, {
    body: {
      id: 'one',
      type: '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small',
      disks: [{ source: 'modern' }],
    },
  })

async function firmwareOnHost() {
  const [command] = await readOutbox(region.store)
  const spec = command?.body.case === 'ensureInstance' ? command.body.value.spec : undefined
  return spec?.disks.map(({ image }) => image?.firmware)
}

it("is the image's, and its guests are booted by it where the host has it", async () => {
  const made = await begin(['uefi'], 'UEFI')
  expect([made.status, made.body.firmware]).toEqual([201, 'UEFI'])
  expect((await createFromImage()).status).toBe(202)
  expect(await firmwareOnHost()).toEqual([Firmware.UEFI])
})

it('keeps its guests from hosts that have none', async () => {
  await begin([], 'UEFI')
  const refused = await createFromImage()
  expect([refused.status, refused.body.error.details[0].reason]).toEqual([422, 'CAN_NEVER_FIT'])
  expect(refused.body.error.message).toContain('it lacks uefi')
})

it('is BIOS where the image does not say, and every host has that', async () => {
  const made = await begin([])
  expect([made.status, made.body.firmware]).toEqual([201, 'BIOS'])
  expect((await createFromImage()).status).toBe(202)
  expect(await firmwareOnHost()).toEqual([Firmware.BIOS])
})

it('is no other', async () => {
  const refused = await begin([], 'COREBOOT')
  expect([refused.status, refused.body.error.details[0].field]).toEqual([400, 'firmware'])
})
