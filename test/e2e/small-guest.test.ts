// The life of an instance with a guest that is up in seconds: what the API shows, what the guest sees, what the host
// keeps when daemons are killed, and that nothing is left after a delete.
import { isDeepStrictEqual } from 'node:util'
import { afterAll, beforeAll, expect, it } from 'vitest'
import { smallGuestReady } from '../guest/small-guest.ts'
import { describeNeeding } from '../support/needs.ts'
import { expectCleanSlate } from './clean-slate.ts'
import { guestNeeds } from './guest-needs.ts'
import { findGuestPid, type HostState, readHostState, run } from './host-state.ts'
import {
  carryOutVerb,
  createInstance,
  deleteInstance,
  type InstanceBody,
  readSerial,
  waitForSerial,
  waitForStatus,
} from './instances.ts'
import { type Daemon, instancePath, isAgentConnected, type Region, waitUntil } from './region.ts'
import { openSmallRegion } from './small-region.ts'

describeNeeding(guestNeeds, 'an instance with a small guest', () => {
  let region: Region
  let scheduler: Daemon
  let agent: Daemon
  let before: HostState

  beforeAll(async () => {
    ;({ region, scheduler, agent, before } = await openSmallRegion())
  })

  afterAll(async () => {
    await region.close()
  })

  it('comes up with its address, hostname and metadata', async () => {
    const created = await createInstance(region, {
      id: 'first',
      hostname: 'first.example.internal',
      instanceMetadata: [{ key: 'user-data', value: '#!/bin/sh\necho hello from user-data\n' }],
    })
    expect(created.lifecycle.status).toBe('PROVISIONING')
    const running = await waitForStatus(region, 'first', 'RUNNING')
    const serial = await waitForSerial(region, 'first', smallGuestReady)
    expect(serial).toContain(`${running.nics[0]?.ipv4Address}/24`)
    expect(serial).toContain('169.254.169.254')
    expect(serial).toContain('first.example.internal')
    expect(serial).toContain(created.uid)
    expect(serial).toContain('echo hello from user-data')
    expect(serial).not.toContain('-failed')
  })

  it('runs unprivileged, as a user of its own', async () => {
    const { uid } = (await region.call<InstanceBody>('GET', instancePath('first'))).body
    const pid = findGuestPid(uid)
    const status = run('cat', [`/proc/${pid}/status`])
    expect(Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])).toBeGreaterThan(1000)
    expect(/^CapEff:\s+(\w+)/m.exec(status)?.[1]).toBe('0000000000000000')
    expect(/^CapBnd:\s+(\w+)/m.exec(status)?.[1]).toBe('0000000000000000')
    expect(/^NoNewPrivs:\s+(\d)/m.exec(status)?.[1]).toBe('1')
    expect(/^Seccomp:\s+(\d)/m.exec(status)?.[1]).toBe('2')
  })

  it('outlives a killed agent, is served without it, and is adopted', async () => {
    const { uid, nics } = (await region.call<InstanceBody>('GET', instancePath('first'))).body
    const pid = findGuestPid(uid)
    await agent.kill('SIGKILL')
    expect(findGuestPid(uid)).toBe(pid)
    // The metadata service gives each guest its own and knows askers by address: from the service's side there is none.
    const namespace = `berth-${region.networkUid.replaceAll('-', '').slice(-10)}`
    const answer = run('ip', [
      'netns',
      'exec',
      namespace,
      'curl',
      '-s',
      '-o',
      '/dev/null',
      '-w',
      '%{http_code}',
      'http://169.254.169.254/meta-data',
    ])
    expect(answer).toBe('503')
    agent = await region.startAgent()
    expect((await waitForStatus(region, 'first', 'RUNNING')).nics).toEqual(nics)
    expect(findGuestPid(uid)).toBe(pid)
    expect(await readSerial(region, 'first')).toContain(smallGuestReady)
  })

  it('is not lost when the scheduler is killed', async () => {
    await scheduler.kill('SIGKILL')
    scheduler = await region.startScheduler()
    expect((await waitForStatus(region, 'first', 'RUNNING')).id).toBe('first')
    await waitUntil('the agent is back', () => isAgentConnected(region))
  })

  it('is stopped, started, reset and restarted, and keeps its address and its disk', async () => {
    const { uid, nics } = (await region.call<InstanceBody>('GET', instancePath('first'))).body
    const boots = async () => (await readSerial(region, 'first')).split(smallGuestReady).length - 1
    const isUpAgain = (count: number) => waitUntil(`boot ${count}`, async () => (await boots()) >= count)
    await isUpAgain(1)
    const first = await boots()
    const stopped = await carryOutVerb(region, 'first', 'stop')
    expect(stopped.lifecycle).toMatchObject({ status: 'STOPPED', reason: 'STOPPED' })
    expect(findGuestPid(uid)).toBeUndefined()
    const disks = readHostState(region.directory).files.filter((file) => file.includes(uid))
    expect(disks.length).toBeGreaterThan(0)

    const started = await carryOutVerb(region, 'first', 'start')
    expect(started).toMatchObject({ lifecycle: { status: 'RUNNING' }, nics })
    await isUpAgain(first + 1)
    const pid = findGuestPid(uid)
    await carryOutVerb(region, 'first', 'reset')
    await isUpAgain(first + 2)
    expect(findGuestPid(uid)).toBe(pid)
    await carryOutVerb(region, 'first', 'restart')
    await isUpAgain(first + 3)
    expect(findGuestPid(uid)).not.toBe(pid)
  })

  it('sees new metadata at its next boot, and is stopped at once when that is asked', async () => {
    const instanceMetadata = [{ key: 'user-data', value: '#!/bin/sh\necho changed while it ran\n' }]
    const patched = await region.call('PATCH', instancePath('first'), { instanceMetadata })
    expect(patched.status).toBe(202)
    await carryOutVerb(region, 'first', 'reset')
    await waitForSerial(region, 'first', 'echo changed while it ran')
    const stopped = await carryOutVerb(region, 'first', 'stop', { force: true })
    expect(stopped.lifecycle).toMatchObject({ status: 'STOPPED', reason: 'STOP_FORCED' })
  })

  it('goes and leaves nothing behind', async () => {
    await deleteInstance(region, 'first')
    await expectCleanSlate(region.directory, before)
  })

  it('is seen as stopped when it powered itself off while the agent was away', async () => {
    const { uid } = await createInstance(region, { id: 'leaver' })
    await waitForStatus(region, 'leaver', 'RUNNING')
    await waitForSerial(region, 'leaver', smallGuestReady)
    await agent.kill('SIGKILL')
    const pid = findGuestPid(uid)
    expect(pid).toBeDefined()
    pressPowerButton(region, uid)
    agent = await region.startAgent()
    const stopped = await waitForStatus(region, 'leaver', 'STOPPED')
    expect(stopped.lifecycle.reason).toBe('GUEST_POWERED_OFF')
    await deleteInstance(region, 'leaver')
    await expectCleanSlate(region.directory, before)
  })

  it.each([
    ['wrong-checksum', /checksum|sha-?256/i],
    ['nowhere', /nowhere/],
  ])('fails with a sentence and everything undone when its image is %s', async (image, sentence) => {
    await createInstance(region, { id: `broken-${image}`, disks: [{ boot: true, sizeGb: 1, source: image }] })
    const failed = await waitForStatus(region, `broken-${image}`, 'FAILED')
    expect(failed.lifecycle.statusMessage).toMatch(sentence)
    const withoutFiles = () => ({ ...readHostState(region.directory), files: [] })
    await waitUntil('everything is undone', async () =>
      isDeepStrictEqual(withoutFiles(), { ...before, files: [] }),
    )
    await deleteInstance(region, `broken-${image}`)
    await expectCleanSlate(region.directory, before)
  })
})

/** What an operator without an agent would do: ACPI over the guest's QMP socket, which is free while no agent lives. */
function pressPowerButton(region: Region, uid: string): void {
  const script = [
    'const socket = require("node:net").connect(process.argv[1])',
    'const say = (execute) => socket.write(JSON.stringify({ execute }) + "\\n")',
    'let text = ""',
    'socket.on("data", (data) => { text += data; if (text.includes("SHUTDOWN")) process.exit(0) })',
    'say("qmp_capabilities"); say("system_powerdown")',
    'setTimeout(() => process.exit(1), 60000)',
  ].join(';')
  run(process.execPath, ['-e', script, `${region.directory}/run/guests/${uid}/qmp.sock`])
}
