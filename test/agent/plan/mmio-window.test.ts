import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import type { DeviceBar } from '../../../agent/plan/host-hardware.ts'
import { planMmio64Mib, planPhysBits } from '../../../agent/plan/mmio-window.ts'
import { gpuAddresses, h100Bars, hgxHost } from './hgx-host.ts'

const mib = 1024 ** 2
const gibInMib = 1024

function windowOf(bars: readonly DeviceBar[], count: number): number {
  const addresses = gpuAddresses.slice(0, count)
  const devices = new Map(addresses.map((address) => [address, { numaNode: 0, path: [], bars }]))
  const gpus = addresses.map((address) => ({ address }))
  return planMmio64Mib({ gpus: gpus as never }, { ...hgxHost(), devices })
}

const high = (bytes: number): DeviceBar => ({ bytes, is64Bit: true, isPrefetchable: true })

describe('the window above 4 GiB', () => {
  it.each([
    [1, 256],
    [2, 512],
    [3, 1024],
    [8, 2048],
  ])('for %d H100s is %d GiB', (count, gib) => {
    expect(windowOf(h100Bars, count)).toBe(gib * gibInMib)
  })

  it('leaves out what bridges let pass below alone, and is not said where the default will do', () => {
    expect(windowOf([{ bytes: 256 * mib, is64Bit: false, isPrefetchable: false }], 8)).toBe(0)
    expect(windowOf([{ bytes: 64 * gibInMib * mib, is64Bit: true, isPrefetchable: false }], 1)).toBe(0)
    expect(windowOf([high(16 * gibInMib * mib)], 2)).toBe(0)
    expect(windowOf([high(16 * gibInMib * mib)], 3)).toBe(64 * gibInMib)
  })

  it('holds every device at a multiple of its largest BAR, the largest first as firmwares do it', () => {
    const sizes = fc.array(fc.integer({ min: 4, max: 38 }), { minLength: 1, maxLength: 4 })
    fc.assert(
      fc.property(fc.array(sizes, { minLength: 1, maxLength: 8 }), (devices) => {
        const bars = devices.map((one) => one.map((power) => high(2 ** power)))
        const addresses = bars.map((_, index) => gpuAddresses[index] ?? '')
        const known = addresses.map(
          (address, index) => [address, { numaNode: 0, path: [], bars: bars[index] ?? [] }] as const,
        )
        const gpus = addresses.map((address) => ({ address }))
        const windowMib = planMmio64Mib({ gpus: gpus as never }, { ...hgxHost(), devices: new Map(known) })
        let end = 0
        const largestFirst = devices.toSorted((a, b) => Math.max(...b) - Math.max(...a))
        for (const device of largestFirst) {
          const largest = 2 ** Math.max(...device)
          end = Math.ceil(end / largest) * largest + device.reduce((sum, power) => sum + 2 ** power, 0)
        }
        // 0 is QEMU's own 32 GiB.
        expect(end / mib).toBeLessThanOrEqual(windowMib || 32 * gibInMib)
      }),
    )
  })
})

describe('address bits of an emulated processor', () => {
  it.each([
    ['a small guest', 4, 0, 40],
    ['one H100', 200, 256, 40],
    ['four, with the window at a multiple of its size', 64, 1024, 42],
    ['eight, with memory moved above 1 TiB', 1600, 2048, 43],
  ])('of %s are enough', (_, memoryGib, windowGib, bits) => {
    expect(planPhysBits(memoryGib * gibInMib, windowGib * gibInMib)).toBe(bits)
  })
})
