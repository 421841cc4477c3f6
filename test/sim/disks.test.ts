// Disks that outlive instances through the whole of Berth, over a host that is a model at the lowest ports.
import { afterEach, beforeEach, expect, it } from 'vitest'
import { volumePaths } from '../../agent/plan/paths.ts'
import type { DiskRecord } from '../../scheduler/model/disk.ts'
import { type SmallRegion, startSmallRegion } from './small-region.ts'

let region: SmallRegion
beforeEach(async () => {
  region = await startSmallRegion()
})
afterEach(() => region.close())

const pathOf = ({ uid }: DiskRecord) => volumePaths({ state: '/state', run: '/run/berth' }, uid).data
const boot = { source: 'debian-12' }

async function instanceWith(...disks: readonly object[]): Promise<string> {
  const { uid } = await region.create({ disks: [boot, ...disks] })
  await region.until(uid, (one) => one?.status === 'RUNNING')
  return uid
}

async function attach(uid: string, disk: DiskRecord, wish: object = {}) {
  const { operationId } = await region.attach(uid, { source: disk.id, ...wish })
  await expect.poll(async () => region.operation(operationId)).toMatchObject({ status: 'DONE' })
  return region.operation(operationId)
}

async function detach(uid: string, deviceName: string) {
  const { operationId } = await region.change('detachDisk', uid, { detach: { deviceName } })
  await expect.poll(async () => region.operation(operationId)).toMatchObject({ status: 'DONE' })
  return region.operation(operationId)
}

it('keeps its data from one instance to the next', async () => {
  const disk = await region.createDisk({ id: 'data', sizeGb: 3 })
  expect(disk).not.toHaveProperty('hostId')
  const first = await instanceWith({ source: 'data' })
  expect(await region.findDisk('data')).toMatchObject({ hostId: 'sim-1', user: { uid: first } })
  const marker = new TextEncoder().encode('marker')
  const content = await region.host.files.read(pathOf(disk))
  region.host.files.place(pathOf(disk), { content: new Uint8Array([...(content ?? []), ...marker]) })
  await region.delete(first)
  await region.until(first, (one) => one === undefined)
  const free = await region.findDisk('data')
  expect(free).toMatchObject({ status: 'READY', hostId: 'sim-1', isMade: true })
  expect(free?.user).toBeUndefined()
  expect(await region.host.files.stat(pathOf(disk))).toMatchObject({ uid: 0 })
  await instanceWith({ source: 'data' })
  const found = await region.host.files.read(pathOf(disk))
  expect(new TextDecoder().decode(found)).toMatch(/marker$/)
})

it('goes into a guest that runs and out of it, is there after a restart, and grows', async () => {
  const disk = await region.createDisk({ id: 'data', sizeGb: 3 })
  const uid = await instanceWith()
  expect(await attach(uid, disk, { deviceName: 'logs' })).not.toHaveProperty('error')
  expect((await region.find(uid))?.details.disks).toMatchObject([
    { deviceName: 'disk0', autoDelete: true },
    { deviceName: 'logs', autoDelete: false, sizeGb: 3 },
  ])
  expect((await region.host.files.stat(pathOf(disk)))?.uid).toBeGreaterThanOrEqual(200_000)
  await region.restartAgent()
  const grown = await region.updateDisk('data', { sizeGb: 5 })
  await expect.poll(async () => region.operation(grown.operationId ?? '')).toMatchObject({ status: 'DONE' })
  expect((await region.find(uid))?.details.disks.at(1)).toMatchObject({ sizeGb: 5 })
  const restarted = await region.change('restart', uid)
  await expect.poll(async () => region.operation(restarted.operationId)).toMatchObject({ status: 'DONE' })
  expect((await region.find(uid))?.details.disks).toHaveLength(2)
  expect(await detach(uid, 'logs')).not.toHaveProperty('error')
  expect((await region.find(uid))?.details.disks).toHaveLength(1)
  expect((await region.findDisk('data'))?.user).toBeUndefined()
  expect(await region.host.files.stat(pathOf(disk))).toMatchObject({ uid: 0 })
  // What was free for one disk is free for the next.
  for (let round = 0; round < 10; round += 1) {
    expect(await attach(uid, disk)).not.toHaveProperty('error')
    expect(await detach(uid, 'disk1')).not.toHaveProperty('error')
  }
})

it('is attached to a stopped instance and found at its start', async () => {
  const disk = await region.createDisk({ id: 'data', sizeGb: 3, sourceImage: 'debian-12' })
  const uid = await instanceWith()
  await region.change('stop', uid)
  await region.until(uid, (one) => one?.holds === 'storage')
  expect(await attach(uid, disk, { interface: 'SCSI' })).not.toHaveProperty('error')
  await region.change('start', uid)
  await region.until(uid, (one) => one?.status === 'RUNNING')
  expect(await region.findDisk('data')).toMatchObject({ isMade: true, user: { uid } })
})

it('is with one instance at a time, and only where its data is', async () => {
  const disk = await region.createDisk({ id: 'data', sizeGb: 3 })
  const uid = await instanceWith({ source: 'data' })
  const other = await instanceWith()
  await expect(region.attach(other, { source: disk.id })).rejects.toThrow(/DISK_IN_USE/)
  await expect(region.create({ disks: [boot, { source: 'data' }] })).rejects.toThrow(/DISK_IN_USE/)
  await expect(region.deleteDisk('data')).rejects.toThrow(/DISK_IN_USE/)
  await expect(region.updateDisk('data', { sizeGb: 2 })).rejects.toThrow(/DISK_SHRINK/)
  await expect(region.change('detachDisk', uid, { detach: { deviceName: 'disk0' } })).rejects.toThrow(
    /boot disk/,
  )
})

it('that is lost on its host is never made anew, empty', async () => {
  const disk = await region.createDisk({ id: 'data', sizeGb: 3 })
  const uid = await instanceWith({ source: 'data' })
  await detach(uid, 'disk1')
  await region.host.files.remove(pathOf(disk))
  expect(await attach(uid, disk)).toMatchObject({
    error: { message: expect.stringMatching(/not on the host any more/) },
  })
  expect((await region.find(uid))?.details.disks).toHaveLength(1)
  expect((await region.findDisk('data'))?.user).toBeUndefined()
  expect(await region.host.files.stat(pathOf(disk))).toBeUndefined()
})

it('is deleted when its host has proved it, and gives its room back', async () => {
  const disk = await region.createDisk({ id: 'data', sizeGb: 7 })
  const usedGb = async () => (await region.snapshot()).diskGb.used
  const uid = await instanceWith({ source: 'data' })
  expect(await usedGb()).toBe(9)
  await region.delete(uid)
  await region.until(uid, (one) => one === undefined)
  expect(await usedGb()).toBe(7)
  const { operationId } = await region.deleteDisk('data')
  await region.restartAgent()
  await expect.poll(async () => region.operation(operationId ?? '')).toMatchObject({ status: 'DONE' })
  expect(await region.findDisk('data')).toBeUndefined()
  expect(await usedGb()).toBe(0)
  await expect.poll(() => region.host.files.paths().filter((path) => path.includes(disk.uid))).toEqual([])
})
