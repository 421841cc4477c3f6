// A Debian with its own cloud-init, which finds out by itself whose metadata service this is: one boot for each flavour.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { makeSshKey, runInGuest, waitForLogin } from '../../cli/demo/guest-login.ts'
import { systemClock } from '../../lib/clock.ts'
import { describeNeeding } from '../support/needs.ts'
import { guestNeeds } from './guest-needs.ts'
import { debianImage } from './images.ts'
import { createInstance, deleteInstance, waitForStatus } from './instances.ts'
import { openRegion, type Region } from './region.ts'

const needs = {
  ...guestNeeds,
  programs: [...(guestNeeds.programs ?? []), 'mmdebstrap', 'mke2fs', 'ssh', 'ssh-keygen'],
}
const limitMs = 600_000

/** What cloud-init calls it, and who can log in: Google's and Amazon's know of no users that the image does not have. */
const flavours = [
  { flavour: 'EC2', source: 'DataSourceEc2', user: 'debian' },
  { flavour: 'OPENSTACK', source: 'DataSourceOpenStack', user: 'admin' },
  { flavour: 'GCE', source: 'DataSourceGCE', user: 'debian' },
] as const
/** Each boot takes most of a minute on an emulated processor: one of them with every run, all of them in `npm run test:lab`. */
const booted = process.env['BERTH_LAB'] === 'full' ? flavours : flavours.slice(0, 1)

describeNeeding(needs, 'a guest of another flavour', () => {
  let region: Region

  beforeAll(async () => {
    const images = booted.map(({ flavour }) =>
      debianImage({ id: `debian-${flavour.toLowerCase()}`, metadataFlavour: flavour }),
    )
    region = await openRegion(await Promise.all(images))
    await region.startScheduler()
    await region.startAgent()
  }, limitMs)

  afterAll(() => region.close())

  it.each(booted)(
    'finds $flavour, its keys and its user-data',
    async ({ flavour, source, user }) => {
      const id = `guest-${flavour.toLowerCase()}`
      const keyPath = join(region.directory, id)
      const publicKey = makeSshKey(keyPath)
      const created = await createInstance(region, {
        id,
        type: 'g1-medium',
        hostname: `${id}.example.internal`,
        disks: [{ boot: true, sizeGb: 3, source: `debian-${flavour.toLowerCase()}` }],
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
      if (flavour !== 'GCE') expect(await guest('cloud-init query instance_id')).toBe(created.uid)
      expect(await guest('ip -6 -brief address show scope global')).toContain(ipv6Address)
      await deleteInstance(region, id)
    },
    limitMs,
  )
})
