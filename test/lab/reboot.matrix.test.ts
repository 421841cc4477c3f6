// A virtual hypervisor that reboots.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createInstance, waitForStatus } from '../e2e/instances.ts'
import { instancePath, type Region, waitUntil } from '../e2e/region.ts'
import { smallGuestReady } from '../guest/small-guest.ts'
import { describeNeeding } from '../support/needs.ts'
import { type LabFleet, openFleet, theOnly } from './fleet.ts'
import type { LabHost } from './host.ts'
import { labNeeds } from './needs.ts'

describeNeeding(labNeeds, 'a lab host that reboots', () => {
  let fleet: LabFleet | undefined
  let host: LabHost
  let region: Region

  beforeAll(async () => {
    fleet = await openFleet(['lab-2'])
    region = fleet.region
    host = theOnly(fleet.hosts)
  }, 600_000)
  afterAll(() => fleet?.close())

  /** Nothing, as long as the host is not connected. */
  const readSerial = async (id: string) =>
    (await region.call<{ contents?: string }>('GET', `${instancePath(id)}/serialPort`)).body.contents ?? ''
  const untilReady = (id: string) =>
    waitUntil(`${id} has booted`, async () => (await readSerial(id)).includes(smallGuestReady), 120_000)

  it('brings its guests back without the scheduler', async () => {
    const { uid } = await createInstance(region, { id: 'one' })
    await waitForStatus(region, 'one', 'RUNNING')
    await untilReady('one')
    // The way to the scheduler ends with the connection, and is not made again yet.
    await host.reboot()
    const unit = `berth-vm@${uid}.service`
    await waitUntil(
      'the guest runs again',
      async () => (await host.exec(`systemctl is-active ${unit}`, { mayFail: true })).code === 0,
    )
    await fleet?.reconnect(host)
    await waitForStatus(region, 'one', 'RUNNING')
    await untilReady('one')
    expect(await readSerial('one')).toContain(uid)
  })
})
