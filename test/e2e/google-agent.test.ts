// Google's guest agent, as Debian packages it, beside cloud-init: it makes every user of `ssh-keys`, and follows what changes
// while the guest runs. One boot, in `npm run test:lab`.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Login, makeSshKey, runInGuest, waitForLogin } from '../../cli/demo/guest-login.ts'
import { systemClock } from '../../lib/clock.ts'
import { describeNeeding } from '../support/needs.ts'
import { guestNeeds } from './guest-needs.ts'
import { debianImage } from './images.ts'
import { createInstance, deleteInstance, waitForStatus } from './instances.ts'
import { instancePath, openRegion, type Region } from './region.ts'

const needs = {
  ...guestNeeds,
  programs: [...(guestNeeds.programs ?? []), 'mmdebstrap', 'mke2fs', 'ssh', 'ssh-keygen'],
}
const limitMs = 600_000
const waiting = { clock: systemClock, timeoutMs: limitMs, onRefusal: () => {} }

describeNeeding(needs, "Google's guest agent", () => {
  let region: Region
  let login: Login
  let publicKey: string

  const as = (user: string) => ({ ...login, user })

  beforeAll(async () => {
    region = await openRegion([await debianImage({ id: 'google', metadataFlavour: 'GCE' }, 13)])
    await region.startScheduler()
    await region.startAgent()
    const keyPath = join(region.directory, 'key')
    publicKey = makeSshKey(keyPath)
    await createInstance(region, {
      id: 'google',
      type: 'g1-medium',
      hostname: 'google.example.internal',
      disks: [{ boot: true, sizeGb: 3, source: 'google' }],
      instanceMetadata: [{ key: 'ssh-keys', value: `admin:${publicKey}\nguest:${publicKey}` }],
    })
    const running = await waitForStatus(region, 'google', 'RUNNING')
    const namespace = `berth-${region.networkUid.replaceAll('-', '').slice(-10)}`
    login = { namespace, user: 'admin', address: running.nics[0]?.ipv4Address ?? '', keyPath }
    await waitForLogin(login, waiting)
  }, limitMs)

  afterAll(() => region.close())

  it('makes every user of ssh-keys, with the right to everything', { timeout: limitMs }, async () => {
    expect(await runInGuest(as('admin'), 'id -un; sudo -n id -un')).toBe('admin\nroot')
    await waitForLogin(as('guest'), waiting)
    expect(await runInGuest(as('guest'), 'id -un; sudo -n id -un')).toBe('guest\nroot')
  })

  it('lets in a new user as soon as he is in ssh-keys, and no more who has left', {
    timeout: limitMs,
  }, async () => {
    const instanceMetadata = [{ key: 'ssh-keys', value: `admin:${publicKey}\ncarol:${publicKey}` }]
    expect((await region.call('PATCH', instancePath('google'), { instanceMetadata })).status).toBe(202)
    await waitForLogin(as('carol'), waiting)
    expect(await runInGuest(as('carol'), 'id -un; sudo -n id -un')).toBe('carol\nroot')
    // The agent keeps who has left, and takes his rights.
    const isOut = '! id -nG guest | grep -qw google-sudoers'
    expect(await runInGuest(login, `until ${isOut}; do sleep 0.2; done; echo out`)).toBe('out')
  })

  it('finds all that it asks for, and complains of nothing', { timeout: limitMs }, async () => {
    const journal = await runInGuest(login, 'sudo -n journalctl -b -u google-guest-agent -o cat --no-pager')
    expect(journal).not.toMatch(/error|404|panic/i)
    await deleteInstance(region, 'google')
  })
})
