import { expect, it } from 'vitest'
import { readHostHardware } from '../../../agent/inventory/host-hardware.ts'
import { recordedSysfs } from './recorded-sysfs.ts'

it('knows of a large host what a guest with all of its GPUs is planned from', async () => {
  const hardware = await readHostHardware(recordedSysfs('hgx-h100'))
  expect(hardware.cells).toHaveLength(2)
  expect(hardware.cells.every(({ cores, memoryMib }) => cores.length > 0 && memoryMib > 0)).toBe(true)
  const gpu = [...hardware.devices.values()].filter(({ bars }) => bars.some(({ bytes }) => bytes === 2 ** 37))
  expect(gpu).toHaveLength(8)
  expect(gpu.map(({ numaNode }) => numaNode)).toEqual([0, 0, 0, 0, 1, 1, 1, 1])
  expect(gpu.every(({ path }) => path.length > 1)).toBe(true)
})
