import fc from 'fast-check'
import { expect, it } from 'vitest'
import { planPinned, repinDisks, repinGpus, seedDevice } from '../../../agent/plan/pinned.ts'
import { DiskInterface } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'
import { guestOfGpus, hgxHost } from './hgx-host.ts'

const facts = { machineType: 'pc-q35-7.2', accelerator: 'tcg' as const, runAsUid: 200_000 }
const interfaces = fc.array(fc.constantFrom(DiskInterface.VIRTIO, DiskInterface.SCSI, DiskInterface.NVME), {
  maxLength: 8,
})

it('gives every device a slot of its own, within what the bus has', () => {
  fc.assert(
    fc.property(
      interfaces,
      fc.integer({ min: 0, max: 8 }),
      fc.integer({ min: 0, max: 8 }),
      (disks, nics, gpus) => {
        const spec = specOf({
          disks: disks.map((diskInterface, index) => ({
            deviceName: `disk${index}`,
            interface: diskInterface,
          })),
          nics: Array.from({ length: nics }, (_, index) => ({ name: `nic${index}` })),
          gpus: Array.from({ length: gpus }, () => ({ address: '0000:3b:00.0' })),
        })
        const { slots } = planPinned(spec, facts)
        const numbers = slots.map(({ slot }) => slot)
        expect(new Set(numbers).size).toBe(numbers.length)
        expect(new Set(slots.map(({ device }) => device)).size).toBe(slots.length)
        expect(Math.min(...numbers)).toBeGreaterThanOrEqual(1)
        expect(Math.max(...numbers)).toBeLessThanOrEqual(30)
        const spares = slots.filter(({ device }) => device.startsWith('spare')).length
        expect(spares).toBe(Math.min(8, 30 - (slots.length - spares)))
      },
    ),
  )
})

it.each([
  [1, 1],
  [4, 4],
  [192, 8],
])('gives NICs of %d vCPUs %d queues', (vcpus, queues) => {
  expect(planPinned(specOf({ vcpus }), facts).nicQueues).toBe(queues)
})

it('keeps the slot of the disk with the metadata when other disks come and go', () => {
  const boot = { deviceName: 'disk0', boot: true, image: { seedDisk: true } }
  const { disks } = specOf({ disks: [boot, { deviceName: 'disk1' }] })
  const plain = planPinned(specOf({ disks: [{ deviceName: 'disk0' }] }), facts)
  const slotIn = (pinned: ReturnType<typeof planPinned> | undefined) =>
    pinned?.slots.find(({ device }) => device === seedDevice)?.slot
  expect(slotIn(plain)).toBeUndefined()
  // A boot disk with another image, in a machine that is there already.
  const repinned = repinDisks(plain, disks)
  expect(slotIn(repinned)).toBeGreaterThan(1)
  expect(repinned && slotIn(repinDisks(repinned, disks.slice(0, 1)))).toBe(slotIn(repinned))
})

const placesOf = (pinned: ReturnType<typeof planPinned>, pattern: RegExp) =>
  pinned.slots.filter(({ device }) => pattern.test(device)).map(({ slot }) => slot)

it('stays the same machine when its guest starts again with GPUs that lie alike', () => {
  const pinned = planPinned(guestOfGpus(2, 0), facts, hgxHost())
  expect(repinGpus(pinned, guestOfGpus(2, 0), hgxHost())).toBe(pinned)
  expect(repinGpus(pinned, guestOfGpus(2, 4), hgxHost())).toBe(pinned)
  // What is unknown today is no reason to change what was known.
  expect(repinGpus(pinned, guestOfGpus(2, 0), undefined)).toBe(pinned)
})

it('tells its guest where other GPUs are, and moves nothing else', () => {
  const pinned = planPinned(guestOfGpus(2, 0), facts, hgxHost())
  const moved = repinGpus(pinned, guestOfGpus(2, 3), hgxHost())
  expect(placesOf(moved, /^gpu/)).toEqual([32, 64])
  expect(moved.hardware?.rootBuses.map(({ cell }) => cell)).toEqual([1, 2])
  expect(placesOf(moved, /^(rng|disk|nic)/)).toEqual(placesOf(pinned, /^(rng|disk|nic)/))
  expect(moved).toMatchObject({ machineType: pinned.machineType, runAsUid: pinned.runAsUid })
  const slots = [
    ...moved.slots.map(({ slot }) => slot),
    ...(moved.hardware?.rootBuses ?? []).map(({ slot }) => slot),
  ]
  expect(new Set(slots).size).toBe(slots.length)
  expect(repinGpus(moved, guestOfGpus(2, 3), hgxHost())).toBe(moved)
})

it('has no hardware where none was known at first', () => {
  const pinned = planPinned(guestOfGpus(2), facts)
  expect(pinned.hardware).toBeUndefined()
  expect(repinGpus(pinned, guestOfGpus(2), hgxHost())).toBe(pinned)
})
