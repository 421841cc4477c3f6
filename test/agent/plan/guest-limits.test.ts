import { expect, it } from 'vitest'
import { planEndTimeoutMs } from '../../../agent/plan/end-timeout.ts'
import { planMemlockMib } from '../../../agent/plan/memlock.ts'
import { planOverheadMib } from '../../../agent/plan/memory-overhead.ts'
import { planStartTimeoutMs } from '../../../agent/plan/start-timeout.ts'
import { guestOfGpus } from './hgx-host.ts'

const [none, one, eight] = [0, 1, 8].map((count) => guestOfGpus(count))
if (!none || !one || !eight) throw new Error('No specs.')
const minutes = (timeoutMs: number) => Math.round(timeoutMs / 60_000)

it('lets a guest pin its memory once, however many devices it has', () => {
  expect(planMemlockMib({ ...one, memoryMib: 1000 })).toBe(2024)
  expect(planMemlockMib({ ...eight, memoryMib: 1000 })).toBe(2024)
  expect(planMemlockMib(none)).toBe(8)
})

it('waits for memory and BARs in proportion, and for small guests as ever', () => {
  expect(planStartTimeoutMs({ ...none, memoryMib: 1024 * 1024 })).toBe(60_000)
  expect(minutes(planStartTimeoutMs(one, { barBytes: 128 * 1024 ** 3 }))).toBe(5)
  expect(minutes(planStartTimeoutMs(eight, { barBytes: 1024 * 1024 ** 3 }))).toBe(36)
  expect(planStartTimeoutMs(eight)).toBeGreaterThan(planStartTimeoutMs(eight, { barBytes: 1024 * 1024 ** 3 }))
})

it('lets the kernel take its time over the memory of a guest that has ended', () => {
  const small = planEndTimeoutMs({ ...none, memoryMib: 1024 })
  expect([small > 10_000, small < 11_000]).toEqual([true, true])
  const large = { memoryMib: 1024 * 1024 }
  expect(minutes(planEndTimeoutMs({ ...none, ...large }))).toBe(3)
  expect(minutes(planEndTimeoutMs({ ...eight, ...large }))).toBe(10)
})

it('reckons page tables for every guest, for the IOMMU too where a device reads its memory, and none of huge pages', () => {
  const bare = { vcpus: 2, memoryMib: 1024 * 1024, disks: [], gpus: [] }
  expect(planOverheadMib(bare)).toBe(80 + 16 + 2 * 2048)
  expect(planOverheadMib({ ...bare, gpus: one.gpus })).toBe(80 + 16 + 3 * 2048)
  expect(planOverheadMib({ ...bare, gpus: one.gpus }, { hasHugepages: true })).toBe(80 + 16)
})
