import { beforeEach, describe, expect, it } from 'vitest'
import { createSysfsPassthrough } from '../../../../agent/drivers/passthrough/sysfs-passthrough.ts'
import { createDirectWrites } from '../../../../agent/drivers/passthrough/writes.ts'
import { FakeFiles } from '../../../../agent/host/fake/fake-files.ts'
import { FakeSysfs } from '../../../../agent/host/fake/fake-sysfs.ts'
import { type FakePciDevice, parseShape } from '../../../../agent/host/fake/shape.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { pciAddress } from '../../../../proto/ids.ts'

const gpu = pciAddress('0000:3b:00.0')
const guestUid = 200_001

let files: FakeFiles
beforeEach(async () => {
  files = new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
  await files.makeDirectory('/dev/vfio')
  files.place('/dev/vfio/40', { kind: 'other' })
})

function hostWith(...devices: Partial<FakePciDevice>[]) {
  const shape = parseShape('')
  const whole = devices.map((device) => ({
    address: gpu,
    vendorId: '10de',
    deviceId: '2330',
    class: '030200',
    numaNode: 0,
    iommuGroup: '40',
    nativeDriver: 'nvidia',
    ...device,
  }))
  const sysfs = new FakeSysfs({ ...shape, devices: whole })
  return {
    sysfs,
    driver: createSysfsPassthrough({
      ...{ sysfs, files, log: silentLogger },
      writes: createDirectWrites({ sysfs }),
    }),
  }
}

describe('a device', () => {
  it('goes to a guest and comes back to its driver, each as often as it is asked', async () => {
    const { sysfs, driver } = hostWith({})
    expect(await driver.readDriver(gpu)).toBe('nvidia')
    for (let round = 0; round < 2; round += 1) {
      await driver.ensureBound(gpu, guestUid)
      expect(sysfs.drivers()).toEqual({ [gpu]: 'vfio-pci' })
      expect((await files.stat('/dev/vfio/40'))?.uid).toBe(guestUid)
    }
    for (let round = 0; round < 2; round += 1) {
      await driver.ensureReleased(gpu, 'nvidia')
      expect(sysfs.drivers()).toEqual({ [gpu]: 'nvidia' })
      expect((await files.stat('/dev/vfio/40'))?.uid).toBe(0)
    }
  })

  it('is nobody’s again where it was nobody’s', async () => {
    const { sysfs, driver } = hostWith({ nativeDriver: '' })
    await driver.ensureBound(gpu, guestUid)
    await driver.ensureReleased(gpu, '')
    expect(sysfs.drivers()).toEqual({ [gpu]: '' })
  })

  it('stays without a driver that it did not have, although the kernel knows one', async () => {
    const { sysfs, driver } = hostWith({})
    await sysfs.write(`sys/bus/pci/devices/${gpu}/driver/unbind`, gpu)
    await driver.ensureBound(gpu, guestUid)
    await driver.ensureReleased(gpu, '')
    expect(sysfs.drivers()).toEqual({ [gpu]: '' })
  })

  it('keeps no override of an attempt that came no further', async () => {
    const { sysfs, driver } = hostWith({})
    await sysfs.write(`sys/bus/pci/devices/${gpu}/driver_override`, 'vfio-pci')
    await driver.ensureReleased(gpu, 'nvidia')
    expect(await sysfs.read(`sys/bus/pci/devices/${gpu}/driver_override`)).toBe('(null)')
  })

  it('is left to the kernel’s own choice afterwards: no override stays', async () => {
    const { sysfs, driver } = hostWith({})
    await driver.ensureBound(gpu, guestUid)
    await driver.ensureReleased(gpu, 'nvidia')
    expect(await sysfs.read(`sys/bus/pci/devices/${gpu}/driver_override`)).toBe('(null)')
  })
})

describe('a device is refused', () => {
  it('where it is not there', async () => {
    const { driver } = hostWith()
    await expect(driver.readDriver(gpu)).rejects.toMatchObject({ reason: 'DEVICE_MISSING' })
    await expect(driver.ensureBound(gpu, guestUid)).rejects.toMatchObject({ reason: 'DEVICE_MISSING' })
  })

  it('where there is no IOMMU', async () => {
    const { sysfs, driver } = hostWith({ iommuGroup: '' })
    await expect(driver.ensureBound(gpu, guestUid)).rejects.toMatchObject({ reason: 'NO_IOMMU' })
    expect(sysfs.drivers()).toEqual({ [gpu]: 'nvidia' })
  })

  it('where the host uses another device of its group, which is named', async () => {
    const { sysfs, driver } = hostWith({}, { address: '0000:3b:00.1', nativeDriver: 'snd_hda_intel' })
    await expect(driver.ensureBound(gpu, guestUid)).rejects.toMatchObject({
      reason: 'IOMMU_GROUP_SHARED',
      message: expect.stringContaining('0000:3b:00.1'),
    })
    expect(sysfs.drivers()[gpu]).toBe('nvidia')
  })

  it('where another guest has a device of its group', async () => {
    const other = pciAddress('0000:3c:00.0')
    const { driver } = hostWith({ address: other, nativeDriver: '' }, { nativeDriver: '' })
    await driver.ensureBound(other, guestUid)
    await expect(driver.ensureBound(gpu, guestUid + 1)).rejects.toMatchObject({
      reason: 'IOMMU_GROUP_SHARED',
    })
    expect((await files.stat('/dev/vfio/40'))?.uid).toBe(guestUid)
  })
})

it('lets go of a device that was pulled out of the host', async () => {
  const { driver } = hostWith()
  await driver.ensureReleased(gpu, 'nvidia')
})
