// A device from guest to guest, over the real driver and the real journal on a model of sysfs.
import { create } from '@bufbuild/protobuf'
import { beforeEach, describe, expect, it } from 'vitest'
import { Devices } from '../../../agent/device/devices.ts'
import { createDirectScrubs } from '../../../agent/drivers/passthrough/scrubs.ts'
import { createSysfsPassthrough } from '../../../agent/drivers/passthrough/sysfs-passthrough.ts'
import { createDirectWrites } from '../../../agent/drivers/passthrough/writes.ts'
import { FakeExec } from '../../../agent/host/fake/fake-exec.ts'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { FakeProcesses } from '../../../agent/host/fake/fake-processes.ts'
import { FakeSysfs } from '../../../agent/host/fake/fake-sysfs.ts'
import { parseShape } from '../../../agent/host/fake/shape.ts'
import { ExecError, type Sysfs } from '../../../agent/host/ports.ts'
import { createJournal } from '../../../agent/journal/journal.ts'
import { silentLogger } from '../../../lib/log.ts'
import { deviceLifecycle, deviceStates } from '../../../proto/device-state.ts'
import { DeviceAction, DeviceState, EnsureDeviceSchema } from '../../../proto/gen/berth/agent/v1/device_pb.ts'
import { CommandOutcome, CommandSchema } from '../../../proto/gen/berth/agent/v1/session_pb.ts'
import { pciAddress } from '../../../proto/ids.ts'
import { createEagerClock } from '../instance/eager-clock.ts'

const gpu = pciAddress('0000:3b:00.0')
const user = { instanceUid: 'one', project: 'p1', ownerUid: 200_001 }
const directories = { state: '/var/lib/berth', run: '/run/berth' }

let files: FakeFiles
let sysfs: FakeSysfs
let processes: FakeProcesses
let told: string[]
/** Of the operator's tool; with none there is no tool. */
let scrubs: (() => { code?: number }) | undefined
/** What a write does besides. */
let onWrite: (path: string) => Promise<void> | void
/** Links of open files below /proc. */
let open: Map<string, string>

beforeEach(async () => {
  files = new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
  await files.makeDirectory('/dev/vfio')
  files.place('/dev/vfio/40', { kind: 'other' })
  const device = {
    ...{ address: gpu, vendorId: '10de', deviceId: '2330', class: '030200', numaNode: 0 },
    ...{ iommuGroup: '40', nativeDriver: 'nvidia', resetMethods: ['flr', 'bus'] },
    bars: [{ index: 0, sizeBytes: 16 * 1024 ** 2 }],
  }
  sysfs = new FakeSysfs({ ...parseShape(''), devices: [device] })
  processes = new FakeProcesses('boot-1')
  told = []
  scrubs = undefined
  onWrite = () => {}
  open = new Map()
})

/** A door that can hang. */
const door = (): Sysfs => ({
  read: (path) => (path === 'proc/812/comm' ? Promise.resolve('persistenced') : sysfs.read(path)),
  list: async (path) => {
    if (path === 'proc')
      return [...new Set([...open.keys()].map((one) => one.split('/')[1] ?? '')), 'meminfo']
    const below = [...open.keys()].filter((one) => one.startsWith(`${path}/`))
    return below.length > 0 ? below.map((one) => one.slice(path.length + 1)) : sysfs.list(path)
  },
  readLinkName: (path) => sysfs.readLinkName(path),
  readLink: async (path) => open.get(path) ?? sysfs.readLink(path),
  readBytes: (path, maxBytes) => sysfs.readBytes(path, maxBytes),
  write: async (path, value) => {
    await onWrite(path)
    await sysfs.write(path, value)
  },
})

async function startDevices(): Promise<Devices> {
  const exec = new FakeExec(scrubs === undefined ? {} : { '/usr/local/bin/scrub': scrubs }, {})
  const devices = new Devices({
    passthrough: createSysfsPassthrough({
      ...{ sysfs: door(), files, log: silentLogger },
      writes: createDirectWrites({ sysfs: door() }),
      ...(scrubs && { scrubs: createDirectScrubs({ exec, program: '/usr/local/bin/scrub' }) }),
    }),
    journal: createJournal({ files, directories }),
    ...{ processes, clock: createEagerClock(), log: silentLogger },
  })
  await devices.recover()
  devices.onObservation(({ state, reason }) =>
    told.push(reason === '' ? nameOf(state) : `${nameOf(state)} ${reason}`),
  )
  return devices
}

const nameOf = (state: DeviceState) => {
  const name = deviceStates.find((one) => DeviceState[one] === state)
  if (name === undefined) throw new Error(`There is no state ${state}.`)
  return name
}

const stateOf = (devices: Devices) => {
  const [only] = devices.observations()
  if (only === undefined) throw new Error('There is no record.')
  return only
}

let generation = 0
const say = (devices: Devices, action: DeviceAction, reason = '') => {
  generation += 1
  const value = create(EnsureDeviceSchema, { action, reason })
  const command = create(CommandSchema, { uid: gpu, generation, body: { case: 'ensureDevice', value } })
  return devices.accept(command)
}

const hang = () => {
  throw new ExecError({ kind: 'timeout', file: 'tee', args: [], how: 'was killed after 30 s' })
}

describe('a device', () => {
  it('goes to a guest and is free again once it was reset and looked at', async () => {
    const devices = await startDevices()
    await devices.bind(gpu, user)
    expect(sysfs.drivers()).toEqual({ [gpu]: 'vfio-pci' })
    await devices.release(gpu, 'one')
    expect(sysfs.drivers()).toEqual({ [gpu]: 'nvidia' })
    expect(told).toEqual(['BINDING', 'IN_USE', 'RESETTING', 'SCRUBBING', 'VERIFYING', 'FREE'])
    expect(stateOf(devices)).toMatchObject({ unscrubbedProject: 'p1', instanceUid: '', present: true })
  })

  it('tells in every state how long that may last, where it may not last', async () => {
    const devices = await startDevices()
    devices.onObservation(({ state, deadlineUnixMs, enteredAtUnixMs }) => {
      const { deadlineMs } = deviceLifecycle[nameOf(state)]
      expect(Number(deadlineUnixMs)).toBe(deadlineMs === undefined ? 0 : Number(enteredAtUnixMs) + deadlineMs)
    })
    await devices.bind(gpu, user)
    await devices.release(gpu, 'one')
    expect(told).toHaveLength(6)
  })

  it('is nobody’s secret keeper once the operator’s tool has emptied it', async () => {
    scrubs = () => ({})
    const devices = await startDevices()
    await devices.bind(gpu, user)
    await devices.release(gpu, 'one')
    expect(stateOf(devices)).toMatchObject({ state: DeviceState.FREE, unscrubbedProject: '' })
  })

  it('of two projects’ guests in a row is for nobody but whom an operator names', async () => {
    const devices = await startDevices()
    for (const project of ['p1', 'p2']) {
      await devices.bind(gpu, { ...user, project })
      await devices.release(gpu, 'one')
    }
    expect(stateOf(devices).unscrubbedProject).toBe('*')
    expect(await say(devices, DeviceAction.RELEASE)).toMatchObject({ outcome: CommandOutcome.ACCEPTED })
    expect(stateOf(devices).unscrubbedProject).toBe('')
  })

  it('is one guest’s: another does not get it, nor gives it back', async () => {
    const devices = await startDevices()
    await devices.bind(gpu, user)
    await expect(devices.bind(gpu, { ...user, instanceUid: 'two' })).rejects.toMatchObject({
      reason: 'DEVICE_BUSY',
    })
    await devices.release(gpu, 'two')
    expect(stateOf(devices)).toMatchObject({ state: DeviceState.IN_USE, instanceUid: 'one' })
  })

  it('is bound anew after a reboot of the host, and comes back to the driver that it had', async () => {
    await (await startDevices()).bind(gpu, user)
    processes = new FakeProcesses('boot-2')
    await sysfs.write(`sys/bus/pci/devices/${gpu}/driver/unbind`, gpu)
    await sysfs.write(`sys/bus/pci/devices/${gpu}/driver_override`, '\n')
    await sysfs.write('sys/bus/pci/drivers_probe', gpu)
    const devices = await startDevices()
    await devices.bind(gpu, user)
    expect(sysfs.drivers()).toEqual({ [gpu]: 'vfio-pci' })
    await devices.release(gpu, 'one')
    expect(sysfs.drivers()).toEqual({ [gpu]: 'nvidia' })
    expect(stateOf(devices).state).toBe(DeviceState.FREE)
  })
})

describe('a device is kept from guests', () => {
  const expectQuarantined = async (devices: Devices, reason: string) => {
    expect(stateOf(devices)).toMatchObject({ state: DeviceState.QUARANTINED, reason })
    await expect(devices.bind(gpu, { ...user, instanceUid: 'two' })).rejects.toMatchObject({
      reason: 'DEVICE_QUARANTINED',
    })
  }

  it('where the kernel can’t reset it, until it can and an operator has it tried', async () => {
    const devices = await startDevices()
    await devices.bind(gpu, user)
    sysfs.forbidReset(gpu)
    await devices.release(gpu, 'one')
    await expectQuarantined(devices, 'RESET_FAILED')
    expect(stateOf(devices).message).toContain('the kernel knows no way to reset it')
    sysfs.allowReset(gpu)
    expect(await say(devices, DeviceAction.RESET)).toMatchObject({ outcome: CommandOutcome.ACCEPTED })
    await expect.poll(() => stateOf(devices).state).toBe(DeviceState.FREE)
    expect(sysfs.drivers()).toEqual({ [gpu]: 'nvidia' })
  })

  it('where it answers nothing any more', async () => {
    const devices = await startDevices()
    await devices.bind(gpu, user)
    sysfs.lose(gpu, 'silent')
    await devices.release(gpu, 'one')
    await expectQuarantined(devices, 'VERIFY_FAILED')
    expect(stateOf(devices).message).toContain('fallen off the bus')
  })

  it('where it was pulled out under its guest, which is seen at once', async () => {
    const devices = await startDevices()
    await devices.bind(gpu, user)
    sysfs.lose(gpu, 'pulled')
    await devices.look()
    expect(stateOf(devices)).toMatchObject({ state: DeviceState.IN_USE, present: false })
    await devices.release(gpu, 'one')
    await expectQuarantined(devices, 'DEVICE_MISSING')
    expect(await say(devices, DeviceAction.RESET)).toMatchObject({ outcome: CommandOutcome.INVALID })
  })

  it('where its driver does not let it go, with the program that has it open', async () => {
    const devices = await startDevices()
    onWrite = (path) => {
      if (path.endsWith('driver/unbind')) hang()
    }
    await expect(devices.bind(gpu, user)).rejects.toThrow(/from nvidia to vfio-pci: it hangs in the kernel/)
    await expectQuarantined(devices, 'BIND_FAILED')
  })

  it('where the operator’s tool fails', async () => {
    scrubs = () => ({ code: 1 })
    const devices = await startDevices()
    await devices.bind(gpu, user)
    await devices.release(gpu, 'one')
    await expectQuarantined(devices, 'SCRUB_FAILED')
  })

  it('where an operator says so, and once its guest has ended', async () => {
    const devices = await startDevices()
    await devices.bind(gpu, user)
    await say(devices, DeviceAction.QUARANTINE, 'It throws Xid 79.')
    expect(stateOf(devices)).toMatchObject({ state: DeviceState.IN_USE, reason: 'QUARANTINE_ASKED' })
    await devices.release(gpu, 'one')
    await expectQuarantined(devices, 'OPERATOR')
    expect(stateOf(devices).message).toBe('It throws Xid 79.')
    expect(sysfs.drivers()).toEqual({ [gpu]: 'nvidia' })
    await say(devices, DeviceAction.RELEASE)
    await devices.bind(gpu, user)
  })
})

describe('a device stays as it was', () => {
  it('where a program of the host has it open, which is named', async () => {
    open.set('proc/812/fd/7', '/dev/nvidia0')
    const devices = await startDevices()
    await expect(devices.bind(gpu, user)).rejects.toThrow(/persistenced \(process 812\)/)
    expect(devices.observations()).toEqual([])
    expect(sysfs.drivers()).toEqual({ [gpu]: 'nvidia' })
  })

  it('where an operator’s word comes twice', async () => {
    const devices = await startDevices()
    await say(devices, DeviceAction.QUARANTINE)
    generation -= 1
    expect(await say(devices, DeviceAction.RELEASE)).toMatchObject({ outcome: CommandOutcome.STALE })
    expect(stateOf(devices).state).toBe(DeviceState.QUARANTINED)
  })

  it('where it is to be reset while a guest has it', async () => {
    const devices = await startDevices()
    await devices.bind(gpu, user)
    const answer = await say(devices, DeviceAction.RESET)
    expect(answer).toMatchObject({
      outcome: CommandOutcome.INVALID,
      message: expect.stringContaining('instance one'),
    })
    expect(stateOf(devices).state).toBe(DeviceState.IN_USE)
  })
})

/** An agent that ends at any write goes nowhere; the next one finds what it has noted. */
it('is free in the end wherever an agent is killed on its way back', async () => {
  for (let step = 1; ; step += 1) {
    const devices = await startDevices()
    await devices.bind(gpu, user)
    let writes = 0
    onWrite = () => {
      writes += 1
      return writes === step ? new Promise(() => {}) : undefined
    }
    await devices.release(gpu, 'one')
    onWrite = () => {}
    if (writes < step) return
    devices.close()
    const later = await startDevices()
    await expect.poll(() => stateOf(later).state).toBe(DeviceState.FREE)
    expect(sysfs.drivers()).toEqual({ [gpu]: 'nvidia' })
  }
})
