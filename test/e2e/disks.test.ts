// A disk that outlives instances, with guests that see it come and go: blank at first, marked by the first guest, and
// found with the mark by the next.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { smallGuestReady } from '../guest/small-guest.ts'
import { describeNeeding } from '../support/needs.ts'
import { expectCleanSlate } from './clean-slate.ts'
import { guestNeeds } from './guest-needs.ts'
import type { HostState } from './host-state.ts'
import { carryOutVerb, createInstance, deleteInstance, waitForSerial, waitForStatus } from './instances.ts'
import { instancePath, type Region, waitUntil } from './region.ts'
import { openSmallRegion } from './small-region.ts'

const disksPath = instancePath().replace(/instances$/, 'disks')
const sectorsOf = (gb: number) => gb * 2 ** 21

describeNeeding(guestNeeds, 'a disk of its own', () => {
  let region: Region
  let before: HostState

  beforeAll(async () => {
    ;({ region, before } = await openSmallRegion())
  })
  afterAll(() => region.close())

  async function start(id: string, disks: readonly object[] = []): Promise<void> {
    await createInstance(region, {
      id,
      hostname: `${id}.internal`,
      disks: [{ source: 'small-guest' }, ...disks],
    })
    await waitForStatus(region, id, 'RUNNING')
    await waitForSerial(region, id, smallGuestReady)
  }

  it('is plugged into a guest that runs, grows under it, is taken out, and keeps its data', async () => {
    const created = await region.call('POST', disksPath, { id: 'data', sizeGb: 1 })
    expect(created.status).toBe(201)
    await start('first')
    await carryOutVerb(region, 'first', 'attachDisk', { source: 'data', deviceName: 'logs' })
    await waitForSerial(region, 'first', `BERTH-GUEST-DISK + logs ${sectorsOf(1)} blank`)
    const grown = await region.call<{ sizeGb: number }>('PATCH', `${disksPath}/data`, { sizeGb: 2 })
    expect([grown.status, grown.body.sizeGb]).toEqual([202, 2])
    await waitForSerial(region, 'first', `BERTH-GUEST-DISK + logs ${sectorsOf(2)} marked by first.internal`)
    await carryOutVerb(region, 'first', 'detachDisk', { deviceName: 'logs' })
    await waitForSerial(region, 'first', 'BERTH-GUEST-DISK - logs')
    // The same port takes another, and the next guest finds what the first wrote.
    await carryOutVerb(region, 'first', 'attachDisk', {
      source: 'data',
      deviceName: 'again',
      interface: 'NVME',
    })
    await carryOutVerb(region, 'first', 'detachDisk', { deviceName: 'again' })
    await deleteInstance(region, 'first')
    await start('second', [{ source: 'data' }])
    await waitForSerial(region, 'second', `BERTH-GUEST-DISK + disk1 ${sectorsOf(2)} marked by first.internal`)
  })

  it('made from an image boots, and its instance leaves nothing but the disk', async () => {
    await deleteInstance(region, 'second')
    await region.call('POST', disksPath, { id: 'root', sourceImage: 'small-guest', sizeGb: 1 })
    await createInstance(region, { id: 'third', disks: [{ source: 'root' }] })
    await waitForStatus(region, 'third', 'RUNNING')
    await waitForSerial(region, 'third', smallGuestReady)
    await deleteInstance(region, 'third')
    for (const id of ['root', 'data']) {
      expect((await region.call('DELETE', `${disksPath}/${id}`)).status).toBe(202)
      await waitUntil(
        `${id} is gone`,
        async () => (await region.call('GET', `${disksPath}/${id}`)).status === 404,
      )
    }
    await expectCleanSlate(region.directory, before)
  })
})
