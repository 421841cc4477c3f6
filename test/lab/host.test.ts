// A virtual hypervisor with systemd as process 1: what no container has, in one boot.
import { afterAll, beforeAll, expect, it } from 'vitest'
import { createInstance, deleteInstance, waitForStatus } from '../e2e/instances.ts'
import { projectId, type Region, regionId, waitUntil } from '../e2e/region.ts'
import { smallGuestReady } from '../guest/small-guest.ts'
import { describeNeeding } from '../support/needs.ts'
import { findOpenable } from './confinement.ts'
import { type LabFleet, openFleet, theOnly } from './fleet.ts'
import { countSeen, deviceOf, driverOf, oneGpu, waitForState } from './gpus.ts'
import type { LabHost } from './host.ts'
import { labNeeds } from './needs.ts'

const instances = `/v1/regions/${regionId}/projects/project-x9y8z7/compute/instances`

describeNeeding(labNeeds, 'a lab host', () => {
  let fleet: LabFleet | undefined
  let host: LabHost
  let region: Region

  beforeAll(async () => {
    fleet = await openFleet(['lab-1'])
    region = fleet.region
    host = theOnly(fleet.hosts)
  }, 600_000)
  afterAll(() => fleet?.close())

  const unitOf = (uid: string) => `berth-vm@${uid}.service`
  const mainPid = async (uid: string) =>
    (await host.exec(`systemctl show --property=MainPID --value ${unitOf(uid)}`)).stdout.trim()
  const readSerial = async (id: string) =>
    (await region.call<{ contents: string }>('GET', `${instances}/${id}/serialPort`)).body.contents
  let address = ''
  /** What a guest is made of on the host. */
  const partsOf = async (id: string) => {
    const { body } = await region.call<{ uid: string }>('GET', `${instances}/${id}`)
    const pid = await mainPid(body.uid)
    const { stdout } = await host.exec(`ls -l /proc/${pid}/fd | grep -oE '/dev/vfio/[0-9]+' || true`)
    return { pid, disk: `/var/lib/berth/instances/${body.uid}/disk0.qcow2`, vfio: stdout.trim() }
  }
  const untilReady = (id: string) =>
    waitUntil(`${id} has booted`, async () => (await readSerial(id)).includes(smallGuestReady), 120_000)

  it('tells what it has', async () => {
    const { body } = await region.call<{ hosts: readonly object[] }>('GET', `/v1/regions/${regionId}/hosts`)
    expect(body.hosts).toMatchObject([
      {
        features: ['kvm', 'nvme-disks', 'iommu', 'vhost-net', 'vlan', 'stateful-filter', 'rate-limit'],
        virtualization: { accelerator: 'kvm' },
        warnings: [],
      },
    ])
  })

  it('runs each guest as a unit of its own, which a restart of the agent leaves alone', async () => {
    const { uid } = await createInstance(region, { id: 'one' })
    await waitForStatus(region, 'one', 'RUNNING')
    await untilReady('one')
    const before = await mainPid(uid)
    await host.exec('systemctl restart berth-agent')
    await waitUntil('the new agent has the guest', async () =>
      (await host.exec(`journalctl -u berth-agent --no-pager`)).stdout.includes('A running guest is adopted'),
    )
    expect(await mainPid(uid)).toBe(before)
    const namespaces = (await host.exec('ip -o netns list')).stdout.trim().split('\n')
    expect(namespaces).toHaveLength(1)
    await host.exec(`ip netns exec ${namespaces[0]?.split(' ')[0]} ip -o address show dev svc0`)
    const slice = await host.exec(`systemctl show --property=Slice --value ${unitOf(uid)}`)
    expect(slice.stdout).toBe('berth-guests.slice\n')
    // Its frames go between tap and guest in the kernel.
    expect((await host.exec(`ls -l /proc/${before}/fd`)).stdout).toContain('/dev/vhost-net')
    const { stdout } = await host.exec(`grep -E '^(Uid|CapBnd|NoNewPrivs|Seccomp):' /proc/${before}/status`)
    expect(stdout.split('\n').map((line) => line.split('\t').slice(0, 2).join(' '))).toEqual([
      ...[
        expect.stringMatching(/^Uid: 2\d{5}$/),
        'CapBnd: 0000000000000000',
        'NoNewPrivs: 1',
        'Seccomp: 2',
        '',
      ],
    ])
  })

  it('gives a guest a device, which it sees', async () => {
    const { uid } = await createInstance(region, { id: 'gpu', gpus: oneGpu })
    await waitForStatus(region, 'gpu', 'RUNNING')
    address = await deviceOf(region, host, uid)
    expect(await driverOf(host, address)).toBe('vfio-pci')
    await untilReady('gpu')
    expect(countSeen(await readSerial('gpu'))).toBe(1)
  })

  it('opens to a guest what is its own, and nothing else', async () => {
    const [one, gpu] = await Promise.all(['one', 'gpu'].map(partsOf))
    if (!one || !gpu) throw new Error('Two guests run here.')
    const foreign = [
      '/var/lib/berth/host.pb',
      '/etc/berth/agent.yaml',
      '/etc/shadow',
      '/var/lib/berth/metadata',
    ]
    const devices = ['/dev/mem', '/dev/vda', '/dev/loop-control', '/dev/console']
    const paths = [one.disk, gpu.disk, gpu.vfio, '/dev/kvm', ...foreign, ...devices]
    expect(await findOpenable(host, { ...one, paths })).toEqual([one.disk, '/dev/kvm'])
    // Whoever had the right to it would find it busy: it is opened once.
    const owners = await host.exec(
      `echo $(stat -c '%u %a' ${gpu.vfio}) $(awk '/^Uid:/ { print $2 }' /proc/${gpu.pid}/status)`,
    )
    expect(owners.stdout).toMatch(/^(2\d{5}) 600 \1$/m)
    // A guest that had become root and got all of its capabilities would still have no other devices.
    expect(await findOpenable(host, { ...one, paths: ['/dev/kvm', ...devices], asRoot: true })).toEqual([
      '/dev/kvm',
    ])
    const { stdout } = await host.exec('head -c 1 /dev/vda | wc -c')
    expect(stdout.trim()).toBe('1')
  })

  it('has a device back once it was looked at', async () => {
    await deleteInstance(region, 'gpu')
    expect(await waitForState(region, host, address, 'FREE')).toMatchObject({ unscrubbedProject: projectId })
    expect(await driverOf(host, address)).not.toBe('vfio-pci')
  })

  it('has nothing left of what was deleted', async () => {
    await deleteInstance(region, 'one')
    await waitUntil('it is gone', async () => (await region.call('GET', `${instances}/one`)).status === 404)
    const left = await host.exec(
      'ip -o link | grep -E " (bt|bb|bs)[0-9a-f]"; ip netns list; nft list tables; systemctl list-units --all --no-legend "berth-vm@*"; ls /var/lib/berth/instances',
      { mayFail: true },
    )
    expect(left.stdout.trim()).toBe('')
  })

  it('lets members of a network receive what its firewall allows', async () => {
    const ran = await host.exec(
      'cd /opt/berth && node_modules/.bin/node --liftoff-only test/lab/inside/firewall.ts',
      {
        timeoutMs: 240_000,
      },
    )
    expect(JSON.parse(ran.stdout)).toMatchObject({
      open: [true, true, true],
      denied: [false, false, false],
      'services of a network that denies': [true, true],
      'the other network': [true, true],
      'ssh from a': { 'a to b:22': true, 'a to b:80': false, 'b to a:22': false, ping: false },
      'web to b': [true, false, false],
      ping: [true, true, false],
      datagrams: { question: true, 'answer in its network': true, 'answer from another': false },
      'open again': [true, true],
      'tables left': false,
    })
  })
})
