import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { expect, it } from 'vitest'
import { findDeviceTroubles } from '../../../agent/inventory/device-troubles.ts'
import { HostFactsSchema, type PciDeviceSchema } from '../../../proto/gen/berth/agent/v1/host_pb.ts'

const gpu = {
  ...{ address: '0000:1b:00.0', vendorId: '10de', deviceId: '2330', class: '030200', iommuGroup: '27' },
  ...{ driver: 'vfio-pci', resetMethods: ['flr'] },
}

const troublesOf = (...devices: MessageInitShape<typeof PciDeviceSchema>[]) =>
  findDeviceTroubles(create(HostFactsSchema, { devices })).map(({ code, message }) => ({ code, message }))

it('finds nothing where each is alone in its group', () => {
  expect(troublesOf(gpu, { ...gpu, address: '0000:43:00.0', iommuGroup: '37' })).toEqual([])
})

it('names who is in the way, whatever kind of device it is', () => {
  const others = [
    { address: '0000:15:01.0', driver: 'pcieport' },
    { address: '0000:15:1f.4', driver: 'i801_smbus' },
  ]
  const [trouble, ...more] = troublesOf({ ...gpu, iommuGroupOthers: others })
  expect(trouble).toMatchObject({ code: 'IOMMU_GROUP_SHARED' })
  expect(trouble?.message).toContain('with 0000:15:1f.4 (i801_smbus), which the host uses')
  expect(more).toEqual([])
})

it('names accelerators that only go together', () => {
  const second = { ...gpu, address: '0000:1c:00.0' }
  const troubles = troublesOf(
    { ...gpu, iommuGroupOthers: [{ address: second.address, driver: 'vfio-pci' }] },
    { ...second, iommuGroupOthers: [{ address: gpu.address, driver: 'vfio-pci' }] },
  )
  expect(troubles.map(({ code }) => code)).toEqual(['ACCELERATORS_SHARE_GROUP', 'ACCELERATORS_SHARE_GROUP'])
})

it('tells a link with missing lanes from one that idles', () => {
  const link = { currentSpeed: '2.5 GT/s PCIe', maximumSpeed: '32.0 GT/s PCIe', maximumLanes: 16 }
  expect(troublesOf({ ...gpu, link: { ...link, currentLanes: 16 } })).toEqual([])
  const [narrow] = troublesOf({ ...gpu, link: { ...link, currentLanes: 8 } })
  expect(narrow).toMatchObject({ code: 'NARROW_LINK' })
  expect(narrow?.message).toContain('8 of 16 lanes')
})

it('tells of a device that can not be reset', () => {
  expect(troublesOf({ ...gpu, resetMethods: [] })).toMatchObject([{ code: 'NO_RESET' }])
})

it("lets the display of a board's controller alone", () => {
  expect(troublesOf({ ...gpu, vendorId: '1a03', deviceId: '2000', class: '030000', driver: 'ast' })).toEqual(
    [],
  )
})
