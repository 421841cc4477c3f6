// Devices that go to guests and come back, on a host with a real IOMMU driver and real vfio: displays stand in for GPUs.
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { createInstance, deleteInstance, readSerial, waitForStatus } from '../e2e/instances.ts'
import { instancePath, isAgentConnected, type Region, waitUntil } from '../e2e/region.ts'
import { smallGuestReady } from '../guest/small-guest.ts'
import { describeNeeding } from '../support/needs.ts'
import { type LabFleet, openFleet, theOnly } from './fleet.ts'
import {
  countSeen,
  deviceOf,
  driverOf,
  oneGpu,
  readDevice,
  readDevices,
  sayOfDevice,
  waitForState,
} from './gpus.ts'
import type { LabHost } from './host.ts'
import { labNeeds } from './needs.ts'

type Hypervisor = 'qemu' | 'libvirt'

const isRunning: Readonly<Record<Hypervisor, (uid: string) => string>> = {
  qemu: (uid) => `systemctl is-active berth-vm@${uid}`,
  libvirt: (uid) => `virsh -q -c qemu:///system domstate berth-${uid} | grep -x running`,
}

for (const hypervisor of ['qemu', 'libvirt'] as const) {
  describeNeeding(labNeeds, `a lab host with devices for guests, by ${hypervisor}`, () => {
    describeDevices(hypervisor)
  })
}

function describeDevices(hypervisor: Hypervisor) {
  let fleet: LabFleet | undefined
  let host: LabHost
  let region: Region

  beforeAll(async () => {
    fleet = await openFleet([`lab-gpu-${hypervisor}`], {
      ...(hypervisor === 'libvirt' ? { host: { further: 'libvirt' } } : {}),
      agent: { hypervisor },
    })
    region = fleet.region
    host = theOnly(fleet.hosts)
  }, 900_000)
  afterAll(() => fleet?.close())

  const isGone = (id: string) =>
    waitUntil(`${id} is gone`, async () => (await region.call('GET', instancePath(id))).status === 404)
  const untilReady = (id: string) =>
    waitUntil(
      `${id} has booted`,
      async () => (await readSerial(region, id)).includes(smallGuestReady),
      120_000,
    )
  const freeAddresses = async () =>
    (await readDevices(region, host)).filter(({ state, present }) => state === 'FREE' && present)

  afterEach(async () => {
    // A host that has ended says how.
    await host.exec('true')
    // Each test leaves both as it found them: free, and without a driver.
    const devices = await readDevices(region, host)
    expect(devices.map(({ state, reason }) => [state, reason])).toEqual(devices.map(() => ['FREE', '']))
    for (const { address } of devices) expect(await driverOf(host, address)).not.toBe('vfio-pci')
  })

  it('gives one guest two devices of different groups, and it sees both', async () => {
    expect(await freeAddresses()).toHaveLength(2)
    await createInstance(region, { id: 'both', gpus: [{ type: 'stand-in', count: 2 }] })
    await waitForStatus(region, 'both', 'RUNNING')
    await untilReady('both')
    expect(countSeen(await readSerial(region, 'both'))).toBe(2)
    expect((await readDevices(region, host)).map(({ state }) => state)).toEqual(['IN_USE', 'IN_USE'])
    await deleteInstance(region, 'both')
  })

  it('gives a device to twenty guests in a row', { timeout: 1_800_000 }, async () => {
    for (let round = 0; round < 20; round += 1) {
      const id = `round-${round % 2}`
      const { uid } = await createInstance(region, { id, gpus: oneGpu })
      await waitForStatus(region, id, 'RUNNING')
      const address = await deviceOf(region, host, uid)
      expect(await driverOf(host, address)).toBe('vfio-pci')
      if (round % 5 === 0) {
        await untilReady(id)
        expect(countSeen(await readSerial(region, id))).toBe(1)
      }
      await deleteInstance(region, id)
      await waitForState(region, host, address, 'FREE')
    }
  })

  it('keeps a device whose reset fails, until it can be reset', async () => {
    const { uid } = await createInstance(region, { id: 'stuck', gpus: oneGpu })
    await waitForStatus(region, 'stuck', 'RUNNING')
    const address = await deviceOf(region, host, uid)
    const methods = `/sys/bus/pci/devices/${address}/reset_method`
    const before = (await host.exec(`cat ${methods}; echo '' > ${methods}`)).stdout.trim()
    await deleteInstance(region, 'stuck')
    const { reason, statusMessage } = await waitForState(region, host, address, 'QUARANTINED')
    expect(reason).toBe('RESET_FAILED')
    expect(statusMessage).toContain('the kernel knows no way to reset it')
    // The other one is still good for guests; this one is not.
    expect((await freeAddresses()).map((one) => one.address)).not.toContain(address)
    await host.exec(`echo ${before} > ${methods}`)
    await sayOfDevice(region, host, address, 'reset')
    await waitForState(region, host, address, 'FREE')
  })

  it('says that a device has vanished under its guest, and takes it back once it is there again', async () => {
    const { uid } = await createInstance(region, { id: 'yanked', gpus: oneGpu })
    await waitForStatus(region, 'yanked', 'RUNNING')
    await untilReady('yanked')
    const address = await deviceOf(region, host, uid)
    // The kernel waits until the guest has let go, and QEMU asks it to.
    await host.exec(`systemd-run --quiet sh -c 'echo 1 > /sys/bus/pci/devices/${address}/remove'`)
    await waitUntil('it is told of', async () => !(await readDevice(region, host, address)).present, 60_000)
    await deleteInstance(region, 'yanked')
    expect(await waitForState(region, host, address, 'QUARANTINED')).toMatchObject({
      reason: 'DEVICE_MISSING',
    })
    await host.exec('echo 1 > /sys/bus/pci/rescan')
    await waitUntil('it is there again', async () => (await readDevice(region, host, address)).present)
    // The host's own driver has taken it: only the operator can tell that it is as it should be.
    await sayOfDevice(region, host, address, 'release')
    await waitForState(region, host, address, 'FREE')
  })

  it('names the stranger that has a device open, and stays responsive while the kernel hangs over it', async () => {
    // The first one is given out first.
    const address = (await freeAddresses()).at(-1)?.address ?? ''
    const at = `/sys/bus/pci/devices/${address}`
    await host.exec(
      [
        `{ test ! -e ${at}/driver || echo ${address} > ${at}/driver/unbind; }`,
        `echo vfio-pci > ${at}/driver_override && echo ${address} > /sys/bus/pci/drivers_probe`,
        `systemd-run --quiet --unit=stranger qemu-system-x86_64 -M q35 -nodefaults -display none -S -device vfio-pci,host=${address}`,
      ].join(' && '),
    )
    const holds = async () =>
      (await host.exec(`ls -l /proc/$(systemctl show -P MainPID stranger)/fd`, { mayFail: true })).stdout
    await waitUntil('the stranger has it', async () => (await holds()).includes('/dev/vfio/'))
    // It takes the other, so that the next guest gets this one.
    await createInstance(region, { id: 'other', gpus: oneGpu })
    await waitForStatus(region, 'other', 'RUNNING')
    const taken = (await readDevices(region, host)).find(({ state }) => state === 'IN_USE')
    if (taken?.address === address) throw new Error('It was given the device that a stranger has.')
    await createInstance(region, { id: 'refused', gpus: oneGpu })
    const { lifecycle } = await waitForStatus(region, 'refused', 'FAILED')
    expect(lifecycle.reason).toBe('DEVICE_HELD')
    expect(lifecycle.statusMessage).toMatch(/qemu-system-x86 \(process \d+\)/)
    await deleteInstance(region, 'refused')
    // An unbinding that hangs in the kernel for as long as the stranger lives, as an agent begins it.
    const hang = `berth-device-write@${address}`
    await host.exec(`systemd-run --quiet --unit=${hang} sh -c 'echo ${address} > ${at}/driver/unbind'`)
    const restartedAtMs = performance.now()
    await host.exec('systemctl restart berth-agent')
    await waitUntil('it is connected again', () => isAgentConnected(region, host.name), 20_000)
    process.stdout.write(`back after ${((performance.now() - restartedAtMs) / 1000).toFixed(1)} s\n`)
    await createInstance(region, { id: 'meanwhile' })
    await waitForStatus(region, 'meanwhile', 'RUNNING')
    await deleteInstance(region, 'meanwhile')
    await deleteInstance(region, 'other')
    await host.exec('systemctl kill --signal=KILL stranger')
    await waitUntil('it has no driver', async () => (await driverOf(host, address)) === '')
    // Only now: journald reads `uevent` of the device that the kernel speaks of, and hangs as long as the unbinding.
    const told = new RegExp(`process \\d+ of ${hang}.*has not come back from the kernel`)
    const readJournal = async () =>
      (await host.exec('journalctl -q -o cat -u berth-agent --since=-2min')).stdout
    await waitUntil('the agent that came back has said so', async () => told.test(await readJournal()))
    await host.exec(`echo > ${at}/driver_override; systemctl reset-failed stranger ${hang}`, {
      mayFail: true,
    })
    await host.exec(`echo ${address} > /sys/bus/pci/drivers_probe`)
  })

  it('binds the devices of its guests again after a reboot without the scheduler', {
    timeout: 1_800_000,
  }, async () => {
    const { uid } = await createInstance(region, { id: 'rebooted', gpus: oneGpu })
    await waitForStatus(region, 'rebooted', 'RUNNING')
    await untilReady('rebooted')
    const address = await deviceOf(region, host, uid)
    await host.reboot()
    await waitUntil(
      'the guest runs again',
      async () => (await host.exec(isRunning[hypervisor](uid), { mayFail: true })).code === 0,
      600_000,
    )
    expect(await driverOf(host, address)).toBe('vfio-pci')
    await fleet?.reconnect(host)
    await waitForState(region, host, address, 'IN_USE')
    await deleteInstance(region, 'rebooted')
    await waitForState(region, host, address, 'FREE')
  })

  it('takes devices back from guests whose agent is killed again and again', {
    timeout: 1_800_000,
  }, async () => {
    for (let round = 0; round < 6; round += 1) {
      await createInstance(region, { id: 'killed', gpus: oneGpu })
      await host.exec(`sleep 0.${round}5; systemctl kill --signal=KILL berth-agent`)
      await waitForStatus(region, 'killed', 'RUNNING')
      await region.call('DELETE', instancePath('killed'))
      await host.exec(`sleep 0.${round}5; systemctl kill --signal=KILL berth-agent`)
      await isGone('killed')
      await waitUntil('both are free', async () => (await freeAddresses()).length === 2, 60_000)
    }
  })
}
