// Two virtual hypervisors on one trunk: networks that span hosts, and meet nobody else.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createInstance, readSerial, waitForSerial, waitForStatus } from '../e2e/instances.ts'
import { instancePath, projectId, type Region, regionId, zoneId } from '../e2e/region.ts'
import { smallGuestReady } from '../guest/small-guest.ts'
import { describeNeeding } from '../support/needs.ts'
import { inProject, type LabFleet, openFleet } from './fleet.ts'
import { labNeeds } from './needs.ts'

const otherProject = 'project-other'
const [nearAddress, farAddress] = ['10.90.0.10', '10.90.0.20']

describeNeeding(labNeeds, 'two lab hosts on a trunk', () => {
  let fleet: LabFleet | undefined
  let region: Region
  let other: Region

  beforeAll(async () => {
    fleet = await openFleet(['lab-a', 'lab-b'], {
      agent: { uplinks: [{ interface: 'eth1' }] },
      prepare: (host, trunk) => host.exec(`ip link set dev eth1 mtu ${trunk?.mtu}`),
    })
    region = fleet.region
    other = inProject(region, otherProject)
    await made(region, `/v1/regions/${regionId}/projects`, { id: otherProject })
    await makeNetwork(region, 70)
    await makeNetwork(other, 71)
  }, 600_000)
  afterAll(() => fleet?.close())

  it('tell where networks leave them', async () => {
    const { body } = await region.call<{ hosts: object[] }>('GET', `/v1/regions/${regionId}/hosts`)
    const uplinks = [{ interface: 'eth1', physicalNetwork: 'default', mtu: 9000, members: [] }]
    expect(body.hosts).toMatchObject([{ uplinks }, { uplinks }])
  })

  it('carry a network between them, and hold another with the same addresses apart', async () => {
    const near = { id: 'near', nics: [{ network: 'blue', ipv4Address: nearAddress }] }
    const far = { id: 'far', nics: [{ network: 'blue', ipv4Address: farAddress }] }
    const [toFar, toNear] = [ping(farAddress), ping(nearAddress)]
    const byName = `nslookup far.${zoneId}.c.${projectId}.internal`
    await createOn(region, 'lab-a', { ...near, ...trying(`90 ${toFar}`, `90 ${byName}`) })
    await createOn(region, 'lab-b', { ...far, ...trying(`90 ${toNear}`) })
    // On the host of the one, with the address of the other.
    const alien = await createOn(other, 'lab-b', { ...near, id: 'alien', ...trying(`5 ${toFar}`) })
    await waitForSerial(region, 'near', `BERTH-GUEST-DONE ${toFar}`)
    await waitForSerial(region, 'far', `BERTH-GUEST-DONE ${toNear}`)
    await waitForSerial(region, 'near', `BERTH-GUEST-DONE ${byName}`)
    await waitForSerial(other, 'alien', `BERTH-GUEST-NOT-DONE ${toFar}`)
    const seen = await readSerial(other, 'alien')
    expect(seen).toContain(smallGuestReady)
    expect(sectionOf(seen, 'meta-data')).toContain(alien.uid)
    expect(seen).toContain(`inet ${nearAddress}/24`)
  })
})

/** What the small guest shows under a heading; terminals end lines in two characters. */
const sectionOf = (serial: string, heading: string) =>
  serial.replaceAll('\r', '').split(`BERTH-GUEST-BEGIN ${heading}\n`)[1]?.split('BERTH-GUEST-END')[0] ?? ''

async function made(region: Region, path: string, body: object): Promise<void> {
  const answer = await region.call('POST', path, body)
  if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
}

async function makeNetwork(region: Region, vlan: number): Promise<void> {
  const path = instancePath().replace(/instances$/, '')
  await made(region, `${path}networks`, { id: 'blue', vlan, mtu: 1500 })
  await made(region, `${path}subnets`, { id: 'blue', network: 'blue', ipv4Cidr: '10.90.0.0/24' })
}

const ping = (address: string) => `ping -c 1 -W 1 ${address}`

const trying = (...tries: readonly string[]) => ({
  instanceMetadata: [
    {
      key: 'user-data',
      value: ['#cloud-config', ...tries.map((text) => `# small-guest: try ${text}`), ''].join('\n'),
    },
  ],
})

/** The other hosts take none meanwhile. */
async function createOn(region: Region, host: string, body: { id: string } & object) {
  const hosts = `/v1/regions/${regionId}/hosts`
  const { body: all } = await region.call<{ hosts: { id: string }[] }>('GET', hosts)
  const others = all.hosts.filter(({ id }) => id !== host)
  for (const { id } of others) await region.call('POST', `${hosts}/${id}:cordon`, {})
  const instance = await createInstance(region, body)
  for (const { id } of others) await region.call('POST', `${hosts}/${id}:uncordon`, {})
  await waitForStatus(region, instance.id, 'RUNNING')
  return instance
}
