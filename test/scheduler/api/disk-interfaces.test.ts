// Where disks of each interface go: a host whose guests libvirt starts has no NVMe.
import { afterEach, expect, it } from 'vitest'
import { exampleImage } from '../admission/context.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

let region: Region
afterEach(() => region.close())

async function createWith(diskInterface: string, features: readonly string[]) {
  region = await startRegion({ features })
  const body = {
    id: 'one',
    type: '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small',
    disks: [{ source: exampleImage }, { sizeGb: 1, interface: diskInterface }],
  }
  return region.call('POST', instancesPath, { body })
}

it('an NVMe disk goes to a host that has them', async () => {
  expect((await createWith('NVME', ['nvme-disks'])).status).toBe(202)
})

it('an NVMe disk goes to no host that has none', async () => {
  const refused = await createWith('NVME', ['libvirt'])
  expect([refused.status, refused.body.error.details[0].reason]).toEqual([422, 'CAN_NEVER_FIT'])
  expect(refused.body.error.message).toContain('it lacks nvme-disks')
})

it.each(['VIRTIO', 'SCSI'])('a %s disk goes to every host', async (diskInterface) => {
  expect((await createWith(diskInterface, [])).status).toBe(202)
})
