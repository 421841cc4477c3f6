// A Debian with its own cloud-init, which finds out by itself whose metadata service this is: one boot for each flavour.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeSshKey, runInGuest, waitForLogin } from '../../cli/demo/guest-login.ts'
import { systemClock } from '../../lib/clock.ts'
import { describeNeeding } from '../support/needs.ts'
import { guestNeeds } from './guest-needs.ts'
import { debianImage, type TestImage } from './images.ts'
import { createInstance, deleteInstance, waitForStatus } from './instances.ts'
import { openRegion, type Region } from './region.ts'

const needs = {
  ...guestNeeds,
  programs: [...(guestNeeds.programs ?? []), 'mmdebstrap', 'mke2fs', 'ssh', 'ssh-keygen'],
}
const limitMs = 600_000

/** What cloud-init calls it, and who can log in: Google's and Amazon's know of no users that the image does not have. */
const ways = [
  { way: 'EC2', image: { metadataFlavour: 'EC2' }, source: 'DataSourceEc2', user: 'debian' },
  { way: 'OPENSTACK', image: { metadataFlavour: 'OPENSTACK' }, source: 'DataSourceOpenStack', user: 'admin' },
  { way: 'GCE', image: { metadataFlavour: 'GCE' }, source: 'DataSourceGCE', user: 'debian' },
  { way: 'NOCLOUD', image: {}, source: 'DataSourceNoCloudNet', user: 'admin' },
  { way: 'DISK', image: { seedDisk: true }, source: 'DataSourceNoCloud [seed=/dev/vdb]', user: 'admin' },
] as const
/** cloud-init 22.4 and 25.1. */
const versions = [12, 13] as const
const cases = versions.flatMap((version) =>
  ways.map((one) => ({ ...one, version, id: `debian-${version}-${one.way.toLowerCase()}` })),
)
/** Each boot takes most of a minute on an emulated processor: one of them with every run, all of them in `npm run test:lab`. */
const booted = process.env['BERTH_LAB'] === 'full' ? cases : cases.slice(0, 1)

describeNeeding(needs, 'a guest that looks for its metadata', () => {
  let region: Region

  beforeAll(async () => {
    const images: TestImage[] = []
    // One after another: an image is built once.
    for (const { id, image, version } of booted) images.push(await debianImage({ id, ...image }, version))
    region = await openRegion(images)
    await region.startScheduler()
    await region.startAgent()
  }, limitMs)

  afterAll(() => region.close())

  it.each(booted)(
    'finds $way, its keys and its user-data with Debian $version',
    async ({ way, source, user, id }) => {
      const keyPath = join(region.directory, id)
      const publicKey = makeSshKey(keyPath)
      const created = await createInstance(region, {
        id,
        type: 'g1-medium',
        hostname: `${id}.example.internal`,
        disks: [{ boot: true, sizeGb: 3, source: id }],
        instanceMetadata: [
          { key: 'ssh-keys', value: `${user}:${publicKey}` },
          {
            key: 'user-data',
            value: '#cloud-config\nwrite_files: [{path: /etc/asked, content: as asked}]\n',
          },
        ],
      })
      const running = await waitForStatus(region, id, 'RUNNING')
      const { ipv4Address: address = '', ipv6Address = 'none' } = running.nics[0] ?? {}
      const namespace = `berth-${region.networkUid.replaceAll('-', '').slice(-10)}`
      const login = { namespace, user, address, keyPath }
      await waitForLogin(login, { clock: systemClock, timeoutMs: limitMs, onRefusal: () => {} })
      await runInGuest(login, 'cloud-init status --wait')
      const guest = (command: string) => runInGuest(login, command)
      const status = await guest('cloud-init status --long')
      expect(status).toMatch(/^status: done$/m)
      expect(status).toContain(source)
      expect(await guest('cat /etc/asked')).toBe('as asked')
      expect(await guest('hostname')).toBe(id)
      if (way !== 'GCE') expect(await guest('cloud-init query instance_id')).toBe(created.uid)
      expect(await guest('ip -6 -brief address show scope global')).toContain(ipv6Address)
      await deleteInstance(region, id)
    },
    limitMs,
  )
})
