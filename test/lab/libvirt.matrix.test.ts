// A host whose guests libvirt starts, under systemd and with AppArmor. Its devices' ways are in gpu.matrix.test.ts.
import { once } from 'node:events'
import { afterAll, beforeAll, expect, it } from 'vitest'
import WebSocket from 'ws'
import { carryOutVerb, createInstance, deleteInstance, readSerial, waitForStatus } from '../e2e/instances.ts'
import { instancePath, type Region, waitUntil } from '../e2e/region.ts'
import { smallGuestReady } from '../guest/small-guest.ts'
import { describeNeeding } from '../support/needs.ts'
import { findOpenable } from './confinement.ts'
import { type LabFleet, openFleet, theOnly } from './fleet.ts'
import { countSeen, deviceOf, driverOf, oneGpu, waitForState } from './gpus.ts'
import type { LabHost } from './host.ts'
import { labNeeds } from './needs.ts'

const domain = (uid: string) => `berth-${uid}`

describeNeeding(labNeeds, 'a lab host with libvirt', () => {
  let fleet: LabFleet | undefined
  let host: LabHost
  let region: Region

  beforeAll(async () => {
    fleet = await openFleet(['lab-libvirt'], {
      host: { further: 'libvirt' },
      agent: { hypervisor: 'libvirt' },
    })
    region = fleet.region
    host = theOnly(fleet.hosts)
  }, 900_000)
  afterAll(() => fleet?.close())

  const stateOf = async (uid: string) =>
    (await host.exec(`virsh -q -c qemu:///system domstate ${domain(uid)}`, { mayFail: true })).stdout.trim()
  const untilReady = (id: string) =>
    waitUntil(
      `${id} has booted`,
      async () => (await readSerial(region, id)).includes(smallGuestReady),
      120_000,
    )
  const statusOf = async (id: string) =>
    (await region.call<{ lifecycle: { status: string } }>('GET', instancePath(id))).body.lifecycle.status

  it('has nothing for its operator to put right about libvirt', async () => {
    const node = '/opt/berth/node_modules/.bin/node'
    const doctor = await host.exec(`${node} /opt/berth/dist/agent/main.js doctor --json`, { mayFail: true })
    const { troubles } = JSON.parse(doctor.stdout) as { troubles: readonly { code: string }[] }
    expect(troubles.map(({ code }) => code).filter((code) => /LIBVIRT|PROGRAM/.test(code))).toEqual([])
  })

  it('starts a guest with a device, confined, under its own user, and takes both back', {
    timeout: 600_000,
  }, async () => {
    const { uid } = await createInstance(region, { id: 'with-gpu', gpus: oneGpu })
    await waitForStatus(region, 'with-gpu', 'RUNNING')
    expect(await stateOf(uid)).toBe('running')
    const address = await deviceOf(region, host, uid)
    expect(await driverOf(host, address)).toBe('vfio-pci')
    await untilReady('with-gpu')
    expect(countSeen(await readSerial(region, 'with-gpu'))).toBe(1)
    const { stdout } = await host.exec(
      `pid=$(cat /run/libvirt/qemu/${domain(uid)}.pid); cat /proc/$pid/status /proc/$pid/cgroup; cat /proc/$pid/attr/current`,
    )
    expect(stdout).toMatch(/^Uid:\t(2\d{5})\t\1\t\1\t\1$/m)
    expect(stdout).toMatch(/^CapEff:\t0000000000000000$/m)
    expect(stdout).toMatch(/^NoNewPrivs:\t1$/m)
    expect(stdout).toMatch(/^Seccomp:\t2$/m)
    expect(stdout).toContain('machine.slice')
    expect(stdout).toMatch(/^libvirt-[0-9a-f-]{36} \(enforce\)$/m)
    const another = (await createInstance(region, { id: 'another' })).uid
    await waitForStatus(region, 'another', 'RUNNING')
    const [pid, own, its] = [
      (await host.exec(`cat /run/libvirt/qemu/${domain(another)}.pid`)).stdout.trim(),
      ...[another, uid].map((one) => `/var/lib/berth/instances/${one}/disk0.qcow2`),
    ]
    const vfio = (await host.exec('ls -d /dev/vfio/[0-9]*')).stdout.trim().split('\n')
    const foreign = ['/var/lib/berth/host.pb', '/etc/berth/agent.yaml', '/etc/shadow', '/dev/vda', '/dev/mem']
    const paths = [own ?? '', its ?? '', ...vfio, '/dev/kvm', ...foreign]
    expect(await findOpenable(host, { pid, paths })).toEqual([own, '/dev/kvm'])
    await deleteInstance(region, 'another')
    await deleteInstance(region, 'with-gpu')
    await waitForState(region, host, address, 'FREE')
    expect(await stateOf(uid)).toBe('')
    expect((await host.exec('virsh -q -c qemu:///system list --all --name')).stdout.trim()).toBe('')
  })

  it('keeps a guest while libvirt and the agent are stopped, started and killed, and tells its end', async () => {
    const { uid } = await createInstance(region, { id: 'kept' })
    await waitForStatus(region, 'kept', 'RUNNING')
    await untilReady('kept')
    const readPid = async () => (await host.exec(`cat /run/libvirt/qemu/${domain(uid)}.pid`)).stdout.trim()
    const pid = await readPid()
    await host.exec('systemctl restart libvirtd')
    await host.exec('systemctl restart berth-agent')
    await host.exec('systemctl stop libvirtd.socket libvirtd-ro.socket libvirtd-admin.socket libvirtd')
    await host.exec('systemctl kill --signal=KILL berth-agent')
    await waitUntil(
      'the agent is back',
      async () => (await host.exec('systemctl is-active berth-agent', { mayFail: true })).code === 0,
      60_000,
    )
    // Long enough for it to be looked at without libvirt.
    await new Promise((resolve) => setTimeout(resolve, 5000))
    expect(await statusOf('kept')).toBe('RUNNING')
    await host.exec('systemctl start libvirtd.socket libvirtd')
    expect(await stateOf(uid)).toBe('running')
    expect(await readPid()).toBe(pid)
    expect((await carryOutVerb(region, 'kept', 'stop')).lifecycle.reason).toBe('STOPPED')
    await carryOutVerb(region, 'kept', 'start')
    await untilReady('kept')
    await host.exec(`kill -9 $(cat /run/libvirt/qemu/${domain(uid)}.pid)`)
    await waitUntil('its end is told', async () => (await statusOf('kept')) !== 'RUNNING')
    await deleteInstance(region, 'kept')
  })

  it('has a console on which a shell answers', async () => {
    const userData = { key: 'user-data', value: '#!/bin/sh\n# small-guest: shell\n' }
    await createInstance(region, { id: 'talker', instanceMetadata: [userData] })
    await waitForStatus(region, 'talker', 'RUNNING')
    await untilReady('talker')
    const url = `${region.url.replace('http', 'ws')}${instancePath('talker')}/console`
    const socket = new WebSocket(url, { headers: { authorization: `Bearer ${region.token}` } })
    let seen = ''
    socket.on('message', (data: Buffer, isBinary) => {
      if (isBinary) seen += data.toString()
    })
    await once(socket, 'open')
    socket.send('echo typed-$((6 * 7))\n')
    await waitUntil('it answers', () => Promise.resolve(seen.includes('typed-42')), 60_000)
    socket.close()
    await waitUntil('it is recorded', async () => (await readSerial(region, 'talker')).includes('typed-42'))
    await deleteInstance(region, 'talker')
  })

  it('suspends a guest and lets it go on', async () => {
    const { uid } = await createInstance(region, { id: 'slept' })
    await waitForStatus(region, 'slept', 'RUNNING')
    await untilReady('slept')
    await carryOutVerb(region, 'slept', 'suspend')
    expect(await stateOf(uid)).toBe('')
    await carryOutVerb(region, 'slept', 'resume')
    expect(await stateOf(uid)).toBe('running')
    await deleteInstance(region, 'slept')
  })
})
