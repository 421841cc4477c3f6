// Two virtual hypervisors on one trunk: networks that span hosts, and meet nobody else. One boot serves all that needs
// two hosts: what comes last breaks most.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { readSerial, waitForSerial, waitForStatus } from '../e2e/instances.ts'
import { projectId, type Region, regionId, zoneId } from '../e2e/region.ts'
import { smallGuestReady } from '../guest/small-guest.ts'
import { describeNeeding } from '../support/needs.ts'
import { inProject, type LabFleet, openFleet } from './fleet.ts'
import { type LabGuest, type LabNetwork, made, makeNetwork, ping, placeGuest } from './guests.ts'
import type { LabHost } from './host.ts'
import { labNeeds } from './needs.ts'
import type { Trunk } from './trunk.ts'
import type { TwoRacks } from './two-racks.ts'
import { faultTests } from './vlan-faults.ts'
import { strangerTests } from './vlan-stranger.ts'

const otherProject = 'project-other'
const [nearAddress, nextAddress, farAddress] = ['10.90.0.10', '10.90.0.11', '10.90.0.20']

const bond = 'ip link add bond0 type bond mode active-backup miimon 100'
const bonded = (mtu: number) =>
  [
    // The module makes one of its own, unless it is told not to.
    ...['modprobe bonding max_bonds=0', bond],
    ...['eth1', 'eth2'].map((link) => `ip link set dev ${link} down master bond0`),
    `ip link set dev bond0 mtu ${mtu} up`,
  ].join(' && ')

describeNeeding(labNeeds, 'two lab hosts on a trunk', () => {
  let fleet: LabFleet | undefined
  let region: Region
  let other: Region
  let hosts: readonly [LabHost, LabHost]
  let trunk: Trunk
  let network: LabNetwork
  let otherNetwork: LabNetwork
  let near: LabGuest
  let next: LabGuest
  let far: LabGuest

  beforeAll(async () => {
    fleet = await openFleet(['lab-a', 'lab-b'], {
      agent: (name) => ({ uplinks: [{ interface: name === 'lab-a' ? 'bond0' : 'eth1' }] }),
      prepare: (host, { mtu } = fail()) =>
        host.exec(host.name === 'lab-a' ? bonded(mtu) : `ip link set dev eth1 mtu ${mtu}`),
    })
    region = fleet.region
    trunk = fleet.trunk ?? fail()
    hosts = [fleet.hosts[0] ?? fail(), fleet.hosts[1] ?? fail()]
    other = inProject(region, otherProject)
    await made(region, `/v1/regions/${regionId}/projects`, { id: otherProject })
    network = await makeNetwork(region, 70)
    otherNetwork = await makeNetwork(other, 71)
  }, 600_000)
  afterAll(() => fleet?.close())

  it('tell where networks leave them, and by which cables', async () => {
    const { body } = await region.call<{ hosts: object[] }>('GET', `/v1/regions/${regionId}/hosts`)
    const common = { physicalNetwork: 'default', mtu: 9000 }
    expect(body.hosts).toMatchObject([
      { uplinks: [{ ...common, interface: 'bond0', members: ['eth1', 'eth2'] }] },
      { uplinks: [{ ...common, interface: 'eth1', members: [] }] },
    ])
  })

  it('carry a network between them, and hold another with the same addresses apart', async () => {
    const [toFar, toNear] = [ping(farAddress), ping(nearAddress)]
    const byName = `nslookup far.${zoneId}.c.${projectId}.internal`
    const [hostA, hostB] = hosts
    const place = (id: string, host: LabHost, address: string, ...tries: readonly string[]) =>
      placeGuest(region, { id, host, network, address, tries })
    near = await place('near', hostA, nearAddress, `90 ${toFar}`, `90 ${byName}`)
    far = await place('far', hostB, farAddress, `90 ${toNear}`)
    next = await place('next', hostA, nextAddress)
    // On the host of the one, with the address of the other.
    const where = { host: hostB, network: otherNetwork, address: nearAddress }
    const alien = await placeGuest(other, { ...where, id: 'alien', tries: [`5 ${toFar}`] })
    for (const { id } of [near, far, next]) await waitForStatus(region, id, 'RUNNING')
    await waitForStatus(other, 'alien', 'RUNNING')
    await waitForSerial(region, 'near', `BERTH-GUEST-DONE ${toFar}`)
    await waitForSerial(region, 'far', `BERTH-GUEST-DONE ${toNear}`)
    await waitForSerial(region, 'near', `BERTH-GUEST-DONE ${byName}`)
    await waitForSerial(region, 'next', smallGuestReady)
    await waitForSerial(other, 'alien', `BERTH-GUEST-NOT-DONE ${toFar}`)
    const seen = await readSerial(other, 'alien')
    expect(seen).toContain(smallGuestReady)
    expect(sectionOf(seen, 'meta-data')).toContain(alien.uid)
    expect(seen).toContain(`inet ${nearAddress}/24`)
  }, 600_000)

  const racks = (): TwoRacks => ({ region, trunk, network, near, next, far })
  strangerTests(racks)
  faultTests(racks)
})

/** What the small guest shows under a heading; terminals end lines in two characters. */
const sectionOf = (serial: string, heading: string) =>
  serial.replaceAll('\r', '').split(`BERTH-GUEST-BEGIN ${heading}\n`)[1]?.split('BERTH-GUEST-END')[0] ?? ''

function fail(): never {
  throw new Error('A fleet of two has two hosts and a trunk.')
}
