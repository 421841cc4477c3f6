// The real thing: a Debian with cloud-init, as a tenant gets it. One boot, looked at from inside over ssh.
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { type Login, makeSshKey, runInGuest, waitForLogin } from '../../cli/demo/guest-login.ts'
import { systemClock } from '../../lib/clock.ts'
import { describeNeeding } from '../support/needs.ts'
import { expectCleanSlate } from './clean-slate.ts'
import { guestNeeds } from './guest-needs.ts'
import { findGuestPid, type HostState, readHostState } from './host-state.ts'
import { debianImage } from './images.ts'
import { createInstance, deleteInstance, type InstanceBody, waitForStatus } from './instances.ts'
import { type Daemon, instancePath, openRegion, type Region } from './region.ts'

const needs = {
  ...guestNeeds,
  programs: [...(guestNeeds.programs ?? []), 'mmdebstrap', 'mke2fs', 'ssh', 'ssh-keygen'],
}

// Building the image takes minutes, once on a machine; a boot on an emulated processor more than one.
const limitMs = 600_000

describeNeeding(needs, 'an instance with a Debian guest', () => {
  let region: Region
  let agent: Daemon
  let before: HostState
  let created: InstanceBody
  let login: Login

  const guest = (command: string) => runInGuest(login, command)

  beforeAll(async () => {
    region = await openRegion([await debianImage()])
    await region.startScheduler()
    agent = await region.startAgent()
    before = readHostState(region.directory)
    const keyPath = join(region.directory, 'key')
    const publicKey = makeSshKey(keyPath)
    created = await createInstance(region, {
      id: 'debian',
      type: 'g1-medium',
      hostname: 'debian.example.internal',
      disks: [{ boot: true, sizeGb: 3, source: 'debian-12' }],
      instanceMetadata: [
        { key: 'ssh-keys', value: `admin:${publicKey}\nguest:${publicKey}` },
        { key: 'user-data', value: userDataWithUsers(publicKey) },
      ],
    })
    const running = await waitForStatus(region, 'debian', 'RUNNING')
    const address = running.nics[0]?.ipv4Address ?? ''
    const namespace = `berth-${region.networkUid.replaceAll('-', '').slice(-10)}`
    login = { namespace, user: 'admin', address, keyPath }
    await waitForLogin(login, { clock: systemClock, timeoutMs: limitMs, onRefusal: () => {} })
    // Longer than the login takes: cloud-init's last stage comes after ssh.
    await guest('cloud-init status --wait')
  }, limitMs)

  afterAll(async () => {
    await region.close()
  })

  it('is done with cloud-init, and found its data at the metadata server', async () => {
    const status = await guest('cloud-init status --long')
    expect(status).toMatch(/^status: done$/m)
    expect(status).toContain('DataSourceNoCloudNet')
    expect(status).toContain('http://169.254.169.254/')
    expect(await guest('cloud-init query instance_id')).toBe(created.uid)
  })

  it('has its name and its addresses', async () => {
    expect(await guest('hostname -f')).toBe('debian.example.internal')
    expect(await guest('ip -4 -brief address show scope global')).toContain(`${login.address}/24`)
    const ipv6 = created.nics[0]?.ipv6Address ?? ''
    expect(ipv6).toMatch(/^fd5b:80::a50:/)
    expect(await guest('ip -6 -brief address show scope global')).toContain(`${ipv6}/128`)
  })

  it('lets in every user of ssh-keys, and those that user-data names beside them', async () => {
    expect(await guest('id -un; sudo -n id -un')).toBe('admin\nroot')
    expect(await runInGuest({ ...login, user: 'guest' }, 'id -un')).toBe('guest')
    expect(await runInGuest({ ...login, user: 'carol' }, 'id -un')).toBe('carol')
  })

  it('did what user-data asked, and has its whole disk', async () => {
    expect(await guest('cat /etc/written-by-user-data')).toBe('as asked')
    expect(Number(await guest('df --output=size -BM / | tail -1 | tr -dc 0-9'))).toBeGreaterThan(2700)
  })

  it('tells software that was written for Google what it asks, and at once what has changed', async () => {
    const ask = `curl -s -H 'Metadata-Flavor: Google' http://metadata.google.internal/computeMetadata/v1`
    expect(await guest(`${ask}/instance/name`)).toBe('debian')
    const all = "'/instance/attributes/?recursive=true'"
    await guest(`nohup ${ask}${all}'&wait_for_change=true&timeout_sec=120' >attributes 2>&1 & sleep 2`)
    const instanceMetadata = [{ key: 'motto', value: 'onwards' }]
    const patched = await region.call('PATCH', instancePath('debian'), { instanceMetadata })
    expect(patched.status).toBe(202)
    await guest('for i in $(seq 100); do grep -q onwards attributes && exit 0; sleep 0.1; done; exit 1')
    expect(await guest(`cat attributes; ${ask}${all}`)).toBe('{"motto":"onwards"}'.repeat(2))
  })

  it('notices nothing when the agent is killed: metadata and DHCP go on', { timeout: limitMs }, async () => {
    const pid = findGuestPid(created.uid)
    await guest(
      `nohup sh -c 'while sleep 0.2; do curl -s -m 2 -o /dev/null -w "%{http_code}\\n" http://169.254.169.254/meta-data; done' >polls 2>&1 & echo $! >poller`,
    )
    await agent.kill('SIGKILL')
    expect(await guest('sudo dhclient -v -1 -lf /tmp/leases -pf /tmp/dhclient.pid 2>&1')).toContain(
      `DHCPACK of ${login.address}`,
    )
    // Without an agent, however slow the guest is.
    await guest('until [ "$(wc -l <polls)" -ge 10 ]; do sleep 0.2; done')
    agent = await region.startAgent()
    await waitForStatus(region, 'debian', 'RUNNING')
    const polls = (await guest('kill $(cat poller); cat polls')).split('\n')
    expect(polls.length).toBeGreaterThanOrEqual(10)
    expect(polls.filter((code) => code !== '200')).toEqual([])
    expect(findGuestPid(created.uid)).toBe(pid)
    expect((await region.call<InstanceBody>('GET', instancePath('debian'))).body.uid).toBe(created.uid)
  })

  it('goes and leaves nothing behind', { timeout: limitMs }, async () => {
    await deleteInstance(region, 'debian')
    await expectCleanSlate(region.directory, before)
  })
})

/** Users of the tenant's own, which must not cost him those of ssh-keys. */
function userDataWithUsers(publicKey: string): string {
  return `#cloud-config\n${JSON.stringify({
    users: ['default', { name: 'carol', shell: '/bin/sh', ssh_authorized_keys: [publicKey] }],
    write_files: [{ path: '/etc/written-by-user-data', content: 'as asked' }],
  })}\n`
}
