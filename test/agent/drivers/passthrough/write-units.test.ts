import { beforeEach, describe, expect, it } from 'vitest'
import { createSysfsPassthrough } from '../../../../agent/drivers/passthrough/sysfs-passthrough.ts'
import { createUnitWrites, renderWriteUnit } from '../../../../agent/drivers/passthrough/write-units.ts'
import { FakeExec } from '../../../../agent/host/fake/fake-exec.ts'
import { FakeFiles } from '../../../../agent/host/fake/fake-files.ts'
import { FakeSysfs } from '../../../../agent/host/fake/fake-sysfs.ts'
import { parseShape } from '../../../../agent/host/fake/shape.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { pciAddress } from '../../../../proto/ids.ts'
import { expectGolden } from '../../../support/golden.ts'
import { createEagerClock } from '../../instance/eager-clock.ts'
import { FakeSystemd } from './fake-systemd.ts'

const gpu = pciAddress('0000:3b:00.0')
const other = pciAddress('0000:5e:00.0')
const unit = `berth-device-write@${gpu}.service`
const unbinding = `sys/bus/pci/devices/${gpu}/driver/unbind`
const guestUid = 200_001

let sysfs: FakeSysfs
let systemd: FakeSystemd
let files: FakeFiles

beforeEach(async () => {
  const device = { vendorId: '10de', deviceId: '2330', class: '030200', numaNode: 0, nativeDriver: 'nvidia' }
  const devices = [gpu, other].map((address, index) => ({ ...device, address, iommuGroup: `4${index}` }))
  sysfs = new FakeSysfs({ ...parseShape(''), devices })
  systemd = new FakeSystemd(sysfs)
  files = new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
  await files.makeDirectory('/dev/vfio')
  for (const group of ['40', '41']) files.place(`/dev/vfio/${group}`, { kind: 'other' })
})

/** An agent's part in this; another one is another agent's. */
function startAgent() {
  const exec = new FakeExec({ 'systemd-run': systemd.systemdRun, systemctl: systemd.systemctl })
  const writes = createUnitWrites({ exec, clock: createEagerClock() })
  return { writes, driver: createSysfsPassthrough({ sysfs, writes, files, log: silentLogger }) }
}

describe('a write to a device', () => {
  it('is the unit that is written down', () => {
    expectGolden('systemd-run-device-write.txt', `${renderWriteUnit(gpu, unbinding).join('\n')}\n`)
  })

  it('follows the one before, although systemd takes its time to forget that', async () => {
    systemd.forgetsAfter = 3
    const { driver } = startAgent()
    await driver.ensureBound(gpu, guestUid)
    expect(sysfs.drivers()[gpu]).toBe('vfio-pci')
    await driver.ensureReleased(gpu, 'nvidia')
    expect(sysfs.drivers()[gpu]).toBe('nvidia')
    expect(systemd.begun.slice(0, 3)).toEqual([
      `${unit} sys/bus/pci/devices/${gpu}/driver_override vfio-pci`,
      `${unit} ${unbinding} ${gpu}`,
      `${unit} sys/bus/pci/drivers_probe ${gpu}`,
    ])
  })

  it('that the kernel refuses says why', async () => {
    sysfs.forbidReset(gpu)
    await expect(startAgent().driver.reset(gpu)).rejects.toMatchObject({
      reason: 'RESET_FAILED',
      message: expect.stringContaining('Inappropriate ioctl for device'),
    })
  })

  it('that hangs is named, and no second is begun at that device', async () => {
    systemd.hangs = (path) => path === unbinding
    const { driver } = startAgent()
    await expect(driver.ensureBound(gpu, guestUid)).rejects.toMatchObject({
      reason: 'BIND_FAILED',
      message: expect.stringContaining(`it hangs in the kernel (process 813 of ${unit})`),
    })
    const { length } = systemd.begun
    await expect(driver.reset(gpu)).rejects.toMatchObject({
      reason: 'RESET_FAILED',
      message: expect.stringContaining(
        `an earlier write to it still hangs in the kernel (process 813 of ${unit})`,
      ),
    })
    expect(systemd.begun).toHaveLength(length)
    await driver.ensureBound(other, guestUid)
    expect(sysfs.drivers()).toEqual({ [gpu]: 'nvidia', [other]: 'vfio-pci' })
  })

  it('that outlives its agent is found by the next one, which waits for it', async () => {
    systemd.hangs = (path) => path === unbinding
    await expect(startAgent().driver.ensureBound(gpu, guestUid)).rejects.toThrow()
    systemd.hangs = () => false
    const { writes, driver } = startAgent()
    expect(await writes.findLeftOver()).toEqual([{ address: gpu, who: `process 813 of ${unit}` }])
    const bound = driver.ensureBound(gpu, guestUid)
    await systemd.letGo(unit, gpu)
    await bound
    expect(sysfs.drivers()[gpu]).toBe('vfio-pci')
    expect(await writes.findLeftOver()).toEqual([])
  })
})
