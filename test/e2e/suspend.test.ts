// A guest whose memory goes to disk and comes back: it never notices, also where its agent is killed meanwhile, and what it
// has plugged in stays plugged in.
import { existsSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { smallGuestReady } from '../guest/small-guest.ts'
import { describeNeeding } from '../support/needs.ts'
import { expectCleanSlate } from './clean-slate.ts'
import { guestNeeds } from './guest-needs.ts'
import { findGuestPid, type HostState, readHostState } from './host-state.ts'
import {
  carryOutVerb,
  createInstance,
  deleteInstance,
  type InstanceBody,
  readSerial,
  waitForSerial,
  waitForStatus,
} from './instances.ts'
import { type Daemon, instancePath, isAgentConnected, openRegion, type Region, waitUntil } from './region.ts'
import { smallImages } from './small-images.ts'

const disksPath = instancePath().replace(/instances$/, 'disks')

describeNeeding(guestNeeds, 'a suspended guest', () => {
  let region: Region
  let agent: Daemon
  let before: HostState
  let uid: string

  beforeAll(async () => {
    region = await openRegion(await smallImages())
    await region.startScheduler()
    agent = await region.startAgent()
    before = readHostState(region.directory)
  })
  afterAll(() => region.close())

  const memory = () => join(region.directory, 'agent/instances', uid, 'memory.qcow2')
  const boots = async () => (await readSerial(region, 'dreamer')).split(smallGuestReady).length - 1

  it('goes on where it was, with the disk that it was given while it ran', async () => {
    for (const id of ['data', 'more', 'last']) {
      expect((await region.call('POST', disksPath, { id, sizeGb: 1 })).status).toBe(201)
    }
    await createInstance(region, { id: 'dreamer' })
    uid = (await waitForStatus(region, 'dreamer', 'RUNNING')).uid
    await waitForSerial(region, 'dreamer', smallGuestReady)
    await carryOutVerb(region, 'dreamer', 'attachDisk', { source: 'data', deviceName: 'data' })
    await waitForSerial(region, 'dreamer', 'BERTH-GUEST-DISK + data')
    await carryOutVerb(region, 'dreamer', 'suspend')
    expect((await region.call<InstanceBody>('GET', instancePath('dreamer'))).body.lifecycle.status).toBe(
      'SUSPENDED',
    )
    expect([findGuestPid(uid), existsSync(memory())]).toEqual([undefined, true])
    await carryOutVerb(region, 'dreamer', 'resume')
    expect([typeof findGuestPid(uid), existsSync(memory())]).toEqual(['number', false])
    // It answers, and has not booted: its loop knows the disks from before.
    await carryOutVerb(region, 'dreamer', 'attachDisk', { source: 'more', deviceName: 'more' })
    const serial = await waitForSerial(region, 'dreamer', 'BERTH-GUEST-DISK + more')
    expect(serial.split('BERTH-GUEST-DISK + data')).toHaveLength(2)
    expect(await boots()).toBe(1)
  })

  it('is suspended and resumed by whoever comes after a killed agent', async () => {
    for (const [verb, status] of [
      ['suspend', 'SUSPENDED'],
      ['resume', 'RUNNING'],
    ] as const) {
      expect((await region.call('POST', `${instancePath('dreamer')}:${verb}`)).status).toBe(202)
      await new Promise((resolve) => setTimeout(resolve, 300))
      await agent.kill('SIGKILL')
      agent = await region.startAgent()
      await waitUntil('the agent is connected', () => isAgentConnected(region))
      await waitForStatus(region, 'dreamer', status)
    }
    await carryOutVerb(region, 'dreamer', 'attachDisk', { source: 'last', deviceName: 'last' })
    await waitForSerial(region, 'dreamer', 'BERTH-GUEST-DISK + last')
    expect(await boots()).toBe(1)
  })

  it('is deleted while it is suspended, with its memory', async () => {
    await carryOutVerb(region, 'dreamer', 'suspend')
    await deleteInstance(region, 'dreamer')
    for (const id of ['data', 'more', 'last']) {
      await region.call('DELETE', `${disksPath}/${id}`)
      const isGone = async () => (await region.call('GET', `${disksPath}/${id}`)).status === 404
      await waitUntil(`${id} is gone`, isGone)
    }
    await expectCleanSlate(region.directory, before)
  })
})
