import { expect, it } from 'vitest'
import { parseCpuList } from '../../../agent/inventory/cpu-cells.ts'
import { parseBars, parseBridges, parseLink } from '../../../agent/inventory/pci-attributes.ts'
import { readPciDevices } from '../../../agent/inventory/pci-devices.ts'
import { parseRecording } from '../../../agent/inventory/recording.ts'
import { createRecordedSysfs } from './recorded-sysfs.ts'

it('tells windows of memory from ports, and lets the ROM and windows of virtual functions alone', () => {
  const unused = '0x0000000000000000 0x0000000000000000 0x0000000000000000'
  const lines = [
    '0x00000000fb000000 0x00000000fbffffff 0x0000000000040200',
    '0x0000002000000000 0x0000003fffffffff 0x000000000014220c',
    unused,
    '0x000000000000e000 0x000000000000e07f 0x0000000000040101',
    unused,
    unused,
    '0x00000000fc000000 0x00000000fc07ffff 0x0000000000046200',
    '0x0000004000000000 0x00000040ffffffff 0x000000000014220c',
  ]
  expect(parseBars(lines.join('\n'))).toEqual([
    { index: 0, sizeBytes: 16n << 20n, is64Bit: false, isPrefetchable: false, isIo: false },
    { index: 1, sizeBytes: 128n << 30n, is64Bit: true, isPrefetchable: true, isIo: false },
    { index: 3, sizeBytes: 128n, is64Bit: false, isPrefetchable: false, isIo: true },
  ])
  expect(parseBars(undefined)).toEqual([])
})

it('finds the bridges above a device, in other domains too', () => {
  expect(parseBridges('../../../devices/pci0000:15/0000:15:01.0/0000:16:00.0')).toEqual(['0000:15:01.0'])
  expect(parseBridges('../../../devices/pci0000:00/0000:00:02.0')).toEqual([])
  expect(
    parseBridges('../../../devices/pci0000:85/0000:85:00.5/pci10000:00/10000:00:02.0/10000:01:00.0'),
  ).toEqual(['0000:85:00.5', '10000:00:02.0'])
})

it('has no link of which the kernel knows nothing', () => {
  const unknown = { currentSpeed: 'Unknown', maximumSpeed: 'Unknown', currentWidth: '0', maximumWidth: '255' }
  expect(parseLink(unknown)).toBeUndefined()
  expect(parseLink({ ...unknown, maximumSpeed: '8.0 GT/s PCIe' })).toEqual({
    ...{ currentSpeed: '', maximumSpeed: '8.0 GT/s PCIe', currentLanes: 0, maximumLanes: 0 },
  })
})

it('knows a virtual function by its physical one', async () => {
  const base = 'sys/bus/pci/devices'
  const recording = parseRecording(
    [
      `${base}/0000:29:00.2 -> ../../../devices/pci0000:26/0000:26:01.0/0000:29:00.2`,
      `${base}/0000:29:00.2/class = 0x020000`,
      `${base}/0000:29:00.2/vendor = 0x15b3`,
      `${base}/0000:29:00.2/device = 0x101e`,
      `${base}/0000:29:00.2/physfn -> ../0000:29:00.0`,
      // A power management function of a chipset calls itself a bridge as an NVSwitch does.
      `${base}/0000:00:01.3/class = 0x068000`,
    ].join('\n'),
  )
  const { accelerators, others } = await readPciDevices(createRecordedSysfs(recording))
  expect(accelerators).toEqual([])
  expect(others).toHaveLength(1)
  expect(others[0]).toMatchObject({
    ...{ address: '0000:29:00.2', numaNode: -1, iommuGroup: '', bars: [], resetMethods: [] },
    sriov: { totalFunctions: 0, functions: 0, physicalFunction: '0000:29:00.0' },
  })
})

it('reads lists of CPUs', () => {
  expect(parseCpuList('0-3,8,10-11')).toEqual([0, 1, 2, 3, 8, 10, 11])
  expect(parseCpuList('')).toEqual([])
})
