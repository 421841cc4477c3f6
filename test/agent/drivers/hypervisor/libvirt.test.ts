import { beforeEach, describe, expect, it } from 'vitest'
import { createEitherDriver } from '../../../../agent/drivers/hypervisor/either.ts'
import { createLibvirtDriver } from '../../../../agent/drivers/hypervisor/libvirt/libvirt.ts'
import type {
  GuestEnd,
  GuestHandle,
  GuestPlan,
  HypervisorDriver,
} from '../../../../agent/drivers/hypervisor/port.ts'
import { domainName } from '../../../../agent/plan/names.ts'
import { instancePaths } from '../../../../agent/plan/paths.ts'
import { planPinned, repinDisks } from '../../../../agent/plan/pinned.ts'
import { type Clock, systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { type Disk, DiskInterface } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { FakeLibvirt } from './fake-libvirt.ts'
import { specOf } from './guest-specs.ts'

const uid = 200_000
const images = '/var/lib/berth/images'
const spec = specOf({ vcpus: 2 })
const name = domainName(spec.uid)
const paths = instancePaths({ state: '/var/lib/berth', run: '/run/berth' }, spec.uid)
const directKernel = { kernelPath: `${images}/kernel`, initrdPath: `${images}/initrd`, commandLine: 'quiet' }
const pinned = planPinned(spec, { machineType: 'pc-q35-7.2', accelerator: 'tcg', runAsUid: uid })
const plan: GuestPlan = {
  machine: { spec, pinned, paths, directKernel },
  program: 'qemu-system-x86_64',
  runAs: { uid, gid: uid },
  shared: ['kernel', 'initrd'].map((file) => ({ path: `${images}/${file}`, gid: 5, access: 'read' })),
  memlockMib: 8,
  startTimeoutMs: 1000,
  endTimeoutMs: 10_000,
}

/** Whoever waits a second has waited it at once, and again and again comes ten times as often. */
const quickClock: Clock = {
  ...systemClock,
  after: (delayMs, run) => systemClock.after(delayMs / 100, run),
  every: (intervalMs, run) => systemClock.every(intervalMs / 10, run),
}

let libvirt: FakeLibvirt
let driver: HypervisorDriver

const newDriver = (clock: Clock = quickClock) =>
  createLibvirtDriver({ ...libvirt, clock, log: silentLogger, imageDirectory: images })

beforeEach(async () => {
  libvirt = new FakeLibvirt()
  await libvirt.files.makeDirectory(images)
  await libvirt.files.makeDirectory(paths.directory)
  for (const file of ['kernel', 'initrd', 'another']) {
    await libvirt.files.writeAtomic(`${images}/${file}`, 'x')
  }
  driver = newDriver()
})

const commands = () =>
  libvirt.exec.history.flatMap(({ file, args }) => (file === 'virsh' ? [args[3] ?? ''] : [file]))

describe('a start', () => {
  it('lets the user into what it shares and no more, and runs once the NICs are filtered', async () => {
    libvirt.access.set(`${images}/another`, new Map([[uid, 'r']]))
    const states: string[] = []
    const connected = systemClock.sleep(20).then(() => void states.push(libvirt.states[name] ?? 'not there'))
    const guest = await driver.start({ ...plan, connected })
    expect(states).toEqual(['paused'])
    expect(libvirt.states).toEqual({ [name]: 'running' })
    expect(guest).toMatchObject({ instanceUid: spec.uid, uid, domain: name })
    expect([...libvirt.access].filter(([, users]) => users.has(uid)).map(([path]) => path)).toEqual(
      plan.shared.map(({ path }) => path),
    )
    expect((await libvirt.files.stat('/var/lib/libvirt/qemu'))?.mode).toBe(0o751)
    expect(await driver.find({ instanceUid: spec.uid, paths, uid, endTimeoutMs: plan.endTimeoutMs })).toEqual(
      guest,
    )
  })

  it('has the group of /dev/kvm, which names do not last on', async () => {
    const kvm = { path: '/dev/kvm', gid: 104, access: 'read-write' } as const
    await driver.start({ ...plan, shared: [...plan.shared, kvm] })
    const domain = new TextDecoder().decode(libvirt.files.contentOf(paths.domain))
    expect(domain).toContain(`<label>+${uid}:+104</label>`)
    expect(libvirt.access.has('/dev/kvm')).toBe(false)
  })

  it('says what QEMU said, and leaves nothing', async () => {
    libvirt.qemuComplains = 'out of luck'
    await expect(driver.start(plan)).rejects.toMatchObject({
      reason: 'START_FAILED',
      message: 'QEMU did not start: out of luck.',
    })
    libvirt.qemuComplains = undefined
    const connected = Promise.reject(new Error('no filter'))
    await expect(driver.start({ ...plan, connected })).rejects.toThrow('no filter')
    expect(libvirt.processes.names()).toEqual([])
    expect([...libvirt.access.values()].some((users) => users.has(uid))).toBe(false)
  })

  it('is refused where libvirt can’t make the machine, or is not there', async () => {
    const disk = { deviceName: 'disk0', sizeGb: 1, interface: DiskInterface.NVME }
    const machine = { ...plan.machine, spec: specOf({ disks: [disk] }) }
    await expect(driver.start({ ...plan, machine })).rejects.toMatchObject({
      reason: 'START_FAILED',
      message: expect.stringContaining('NVMe'),
    })
    expect(commands()).toEqual([])
    libvirt.stop()
    await expect(driver.start(plan)).rejects.toMatchObject({
      reason: 'START_FAILED',
      message: expect.stringContaining('Failed to connect'),
    })
  })

  it('is given up when its time is over', async () => {
    libvirt.exec.failNext({ file: 'virsh', argsInclude: 'create', result: 'hang' })
    await expect(driver.start(plan)).rejects.toMatchObject({ reason: 'START_TIMEOUT' })
    expect(libvirt.processes.names()).toEqual([])
  })
})

describe('the end of a guest', () => {
  const watched = async () => {
    const guest = await driver.start(plan)
    const ends: GuestEnd[] = []
    const stop = driver.watch(guest, (end) => ends.push(end))
    return { guest, ends, stop }
  }

  it('is told once, as what it was', async () => {
    const { guest, ends } = await watched()
    libvirt.powerOff(name)
    await expect.poll(() => ends).toEqual([{ kind: 'powered-off' }])
    expect(await driver.status(guest)).toEqual({ kind: 'powered-off' })

    const { guest: again, ends: others } = await watched()
    libvirt.crash(name)
    await expect.poll(() => others.map(({ kind }) => kind)).toEqual(['crashed'])
    expect(await driver.status(again)).toEqual({ kind: 'gone' })
    expect(ends).toHaveLength(1)
  })

  it('is no news where it was asked for here, or nobody listens any more', async () => {
    const { guest, ends } = await watched()
    await driver.kill(guest)
    const { ends: others, stop } = await watched()
    stop()
    libvirt.powerOff(name)
    await systemClock.sleep(250)
    expect([...ends, ...others]).toEqual([])
  })

  it('is not seen in libvirt’s own end, and seen after it', async () => {
    const { guest, ends } = await watched()
    libvirt.stop()
    await systemClock.sleep(250)
    expect(ends).toEqual([])
    expect(await driver.status(guest)).toEqual({ kind: 'running' })
    libvirt.start()
    await systemClock.sleep(250)
    expect(ends).toEqual([])
    libvirt.powerOff(name)
    await expect.poll(() => ends).toEqual([{ kind: 'powered-off' }])
  })

  it('without libvirt is a crash, and is seen by its process', async () => {
    const { guest, ends } = await watched()
    libvirt.stop()
    libvirt.crash(name)
    await expect.poll(() => ends.map(({ kind }) => kind)).toEqual(['crashed'])
    expect(await driver.status(guest)).toEqual({ kind: 'gone' })
  })

  it('is told of a guest that ended while nobody was there', async () => {
    const guest = await driver.start(plan)
    libvirt.powerOff(name)
    const end = new Promise<GuestEnd>((resolve) => newDriver().watch(guest, resolve))
    expect(await end).toEqual({ kind: 'powered-off' })
    // What was said of an earlier run is not of this one.
    const again = await driver.start(plan)
    libvirt.stop()
    libvirt.crash(name)
    expect(await newDriver().status(again)).toEqual({ kind: 'gone' })
  })
})

it('ends a guest by its process where libvirt does not', async () => {
  const guest = await driver.start(plan)
  libvirt.stop()
  await driver.kill(guest)
  expect(libvirt.processes.names()).toEqual([])
})

it('resumes what stands still, and leaves alone what runs', async () => {
  const guest = await driver.start(plan)
  await driver.resume(guest)
  await driver.saveMemory(guest, paths.memory)
  expect(await driver.status(guest)).toEqual({ kind: 'paused' })
  await driver.resume(guest)
  expect(await driver.status(guest)).toEqual({ kind: 'running' })
  await driver.powerDown(guest)
  await expect.poll(() => driver.status(guest)).toEqual({ kind: 'powered-off' })
})

describe('saved memory', () => {
  it('is what a guest goes on from, told before it runs', async () => {
    const guest = await driver.start(plan)
    // What the agent has put there for QEMU.
    await libvirt.files.writeAtomic(paths.memory, 'empty')
    await driver.saveMemory(guest, paths.memory)
    await driver.kill(guest)
    const states: unknown[] = []
    const onLoaded = async () => void states.push(libvirt.states[name])
    await driver.start({ ...plan, memory: { path: paths.memory, onLoaded } })
    expect(states).toEqual(['paused'])
    expect(libvirt.states).toEqual({ [name]: 'running' })
  })

  it('that does not fit leaves the guest as it was', async () => {
    const guest = await driver.start(plan)
    libvirt.hasRoom = false
    await expect(driver.saveMemory(guest, paths.memory)).rejects.toMatchObject({ reason: 'DISK_FULL' })
    expect(libvirt.states).toEqual({ [name]: 'paused' })
  })
})

describe('a disk of a guest that runs', () => {
  const disk: Disk = {
    ...specOf({ disks: [{ deviceName: 'data', interface: DiskInterface.VIRTIO }] }).disks[0],
  } as Disk
  const path = `${paths.directory}/data.qcow2`
  const plugIn = async (guest: GuestHandle, one: Disk = disk) => {
    const withDisk = repinDisks(pinned, [one])
    if (!withDisk) throw new Error('The machine has no slot left.')
    await driver.plugDisk(guest, { disk: one, path, pinned: withDisk })
  }

  it('comes once, grows, and goes once the guest has let go', async () => {
    const guest = await driver.start(plan)
    await expect(plugIn(guest)).rejects.toMatchObject({ reason: 'PLUG_REFUSED' })
    await libvirt.files.writeAtomic(path, 'x')
    await plugIn(guest)
    await plugIn(guest)
    await driver.resizeDisk(guest, { deviceName: 'data', sizeBytes: 5 })
    const { signal } = new AbortController()
    await driver.unplugDisk(guest, { deviceName: 'data', signal })
    await driver.unplugDisk(guest, { deviceName: 'data', signal })
    const sent = commands()
    expect(
      ['attach-device', 'blockresize', 'detach-device-alias'].map(
        (one) => sent.filter((is) => is === one).length,
      ),
    ).toEqual([2, 1, 1])
  })

  it('brings its controller along', async () => {
    const guest = await driver.start(plan)
    await libvirt.files.writeAtomic(path, 'x')
    await plugIn(guest, { ...disk, interface: DiskInterface.SCSI })
    await plugIn(guest, { ...disk, deviceName: 'more', interface: DiskInterface.SCSI })
    expect(commands().filter((one) => one === 'attach-device')).toHaveLength(3)
    await expect(
      plugIn(guest, { ...disk, deviceName: 'fast', interface: DiskInterface.NVME }),
    ).rejects.toMatchObject({
      reason: 'PLUG_REFUSED',
    })
  })

  it('stays where the guest does not let go', async () => {
    let nowMs = 0
    const clock = { ...quickClock, monotonicMs: () => (nowMs += 1000) }
    driver = newDriver(clock)
    const guest = await driver.start(plan)
    await libvirt.files.writeAtomic(path, 'x')
    await plugIn(guest)
    libvirt.keepsDisks = true
    const { signal } = new AbortController()
    await expect(driver.unplugDisk(guest, { deviceName: 'data', signal })).rejects.toMatchObject({
      reason: 'UNPLUG_REFUSED',
    })
  })
})

describe('the serial port', () => {
  const write = (text: string) => libvirt.files.append(paths.serialStream, Buffer.from(text))
  const read = async (by = driver, maxBytes = 1000) =>
    Buffer.from(await by.readSerial(guest, maxBytes)).toString()
  /** As virtlogd does when a file is full. */
  const putAside = async () => {
    for (const index of [1, 0]) {
      const from = index === 0 ? paths.serialStream : `${paths.serialStream}.${index - 1}`
      if (await libvirt.files.stat(from)) await libvirt.files.rename(from, `${paths.serialStream}.${index}`)
    }
  }
  let guest: GuestHandle

  beforeEach(async () => {
    guest = await driver.start(plan)
  })

  it('gives each byte once, to whichever agent asks, also over files that are put aside', async () => {
    expect(await read()).toBe('')
    await write('one two ')
    expect(await read(driver, 4)).toBe('one ')
    expect(await read(newDriver())).toBe('two ')
    await write('three ')
    await putAside()
    await write('four ')
    await putAside()
    await write('five ')
    expect(await read(newDriver(), 8)).toBe('three fo')
    expect(await read()).toBe('ur five ')
    expect(await read()).toBe('')
  })

  it('goes on with the oldest that is left where it was not read in time', async () => {
    await write('read ')
    expect(await read()).toBe('read ')
    for (const text of ['gone ', 'old ', 'older ']) {
      await putAside()
      await write(text)
    }
    expect(await read()).toBe('gone old older ')
  })

  it('has a console that hears all that is read, and types', async () => {
    await write('before ')
    const { unread, socket } = await driver.openSerial(guest, { socketPath: '/unused', maxBytes: 3 })
    let heard = Buffer.from(unread).toString()
    expect(heard).toBe('bef')
    socket.onBytes(async (bytes) => {
      heard += Buffer.from(bytes).toString()
    })
    const over = new Promise<void>((resolve) => socket.onClose(resolve))
    await socket.write(Buffer.from('login\u001e\n'))
    // The key that ends virsh is not sent.
    expect(libvirt.typedTo(name)).toBe('login\n')
    await write('during ')
    await expect.poll(() => heard).toBe('before during ')
    await write('last ')
    socket.end()
    await over
    expect(heard).toBe('before during last ')
    await write('after')
    expect(await read()).toBe('after')
  })

  it('has no console where libvirt has none', async () => {
    libvirt.stop()
    await expect(driver.openSerial(guest, { socketPath: '/unused', maxBytes: 3 })).rejects.toMatchObject({
      reason: 'UNRESPONSIVE',
    })
  })
})

it('leaves a guest with the driver that has started it', async () => {
  const asked: string[] = []
  const spy = (own: string): HypervisorDriver =>
    new Proxy({} as HypervisorDriver, {
      get: (_, method) => async (guest: GuestHandle) => {
        asked.push(`${own} ${String(method)} ${guest.domain ?? 'own'}`)
      },
    })
  const either = createEitherDriver({ qemu: spy('qemu'), libvirt: spy('libvirt') }, 'libvirt')
  const place = { instanceUid: spec.uid, paths, uid, endTimeoutMs: 10_000 }
  const own: GuestHandle = { ...place, process: { pid: 5, startTimeTicks: 5n } }
  await either.start(plan)
  for (const guest of [own, { ...own, domain: name }]) {
    await either.status(guest)
    await either.kill(guest)
  }
  expect(asked).toEqual([
    'libvirt start own',
    ...['qemu status own', 'qemu kill own', `libvirt status ${name}`, `libvirt kill ${name}`],
  ])
})
