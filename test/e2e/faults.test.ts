// What a region keeps to when its parts are killed, starved or broken under it: nothing acknowledged is lost, nothing
// happens twice, and nothing is left behind.
import { execFileSync, spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { v7 } from 'uuid'
import { afterAll, afterEach, beforeAll, expect, it } from 'vitest'
import { smallGuestReady } from '../guest/small-guest.ts'
import { repositoryRoot } from '../support/imports.ts'
import { describeNeeding } from '../support/needs.ts'
import { expectCleanSlate } from './clean-slate.ts'
import { guestNeeds } from './guest-needs.ts'
import { findGuestPid, type HostState, readHostState, run } from './host-state.ts'
import {
  createInstance,
  deleteInstance,
  type InstanceBody,
  waitForSerial,
  waitForStatus,
} from './instances.ts'
import { type Daemon, instancePath, isAgentConnected, openRegion, type Region, waitUntil } from './region.ts'
import { smallImages } from './small-images.ts'

describeNeeding(guestNeeds, 'a region whose parts fail', () => {
  let region: Region
  let scheduler: Daemon
  let agent: Daemon
  let before: HostState
  let state: string

  const list = async () =>
    (await region.call<{ instances: InstanceBody[] }>('GET', instancePath())).body.instances

  beforeAll(async () => {
    region = await openRegion(await smallImages())
    state = join(region.directory, 'agent')
    mkdirSync(state)
    // A disk of its own, which a test can fill.
    run('mount', ['-t', 'tmpfs', '-o', 'size=16g', 'berth-test', state])
    scheduler = await region.startScheduler()
    agent = await region.startAgent()
    before = readHostState(region.directory)
  })

  afterEach(async () => {
    for (const { id } of await list()) await deleteInstance(region, id)
    await expectCleanSlate(region.directory, before)
  })

  afterAll(async () => {
    await region.close(() => run('umount', [state]))
  })

  it('makes one instance of one idempotency key, however often and however fast it is sent', async () => {
    const body = { id: 'once', type: 'g1-small' }
    const key = v7()
    const answers = await Promise.all(
      Array.from({ length: 8 }, () =>
        region.call<InstanceBody>('POST', instancePath(), body, { 'idempotency-key': key }),
      ),
    )
    expect(answers.map(({ status }) => status)).toEqual(Array(8).fill(202))
    expect(new Set(answers.map(({ body }) => body.uid)).size).toBe(1)
    expect(await list()).toHaveLength(1)
  })

  it('comes to a clean slate after each of many creates and deletes', async () => {
    for (let round = 0; round < 4; round++) {
      await createInstance(region, { id: `round-${round}` })
      if (round % 2 === 0) await waitForStatus(region, `round-${round}`, 'RUNNING')
      await deleteInstance(region, `round-${round}`)
      await expectCleanSlate(region.directory, before)
    }
  })

  it('keeps every acknowledged create when the scheduler is killed right after', async () => {
    const ids = ['killed-a', 'killed-b', 'killed-c', 'killed-d']
    const created = await Promise.all(ids.map((id) => createInstance(region, { id })))
    await scheduler.kill('SIGKILL')
    scheduler = await region.startScheduler()
    for (const { id, uid } of created) {
      expect((await waitForStatus(region, id, 'RUNNING')).uid).toBe(uid)
      expect(findGuestPid(uid)).toBeDefined()
    }
    expect((await list()).map(({ id }) => id).sort()).toEqual(ids)
  })

  it.each([0, 40, 150, 400])(
    'finishes a create in whose midst the agent was killed, after %i ms',
    async (ms) => {
      const { uid } = await createInstance(region, { id: 'midst' })
      await new Promise((resolve) => setTimeout(resolve, ms))
      await agent.kill('SIGKILL')
      agent = await region.startAgent()
      await waitForStatus(region, 'midst', 'RUNNING')
      await waitForSerial(region, 'midst', smallGuestReady)
      expect(findGuestPid(uid)).toBeDefined()
    },
  )

  it('finishes a delete in whose midst the agent was killed', async () => {
    await createInstance(region, { id: 'going' })
    await waitForStatus(region, 'going', 'RUNNING')
    await region.call('DELETE', instancePath('going'))
    await agent.kill('SIGKILL')
    agent = await region.startAgent()
    await waitUntil('it is gone', async () => (await list()).length === 0)
  })

  it('shows a guest whose QEMU was killed as crashed, and keeps its disk until it is deleted', async () => {
    const scheduling = { automaticRestart: false }
    const { uid } = await createInstance(region, { id: 'crash', scheduling })
    await waitForStatus(region, 'crash', 'RUNNING')
    process.kill(findGuestPid(uid) ?? 0, 'SIGKILL')
    const stopped = await waitForStatus(region, 'crash', 'STOPPED')
    expect(stopped.lifecycle.reason).toBe('GUEST_CRASHED')
    expect(readHostState(region.directory).files.some((file) => file.includes(uid))).toBe(true)
  })

  it('starts a guest again whose QEMU was killed, with its disk', async () => {
    const { uid } = await createInstance(region, { id: 'phoenix' })
    await waitForStatus(region, 'phoenix', 'RUNNING')
    const first = findGuestPid(uid) ?? 0
    process.kill(first, 'SIGKILL')
    const repairing = await waitForStatus(region, 'phoenix', 'REPAIRING')
    expect(repairing.lifecycle).toMatchObject({ reason: 'GUEST_CRASHED' })
    await waitForStatus(region, 'phoenix', 'RUNNING')
    await waitForSerial(region, 'phoenix', smallGuestReady)
    expect(findGuestPid(uid)).not.toBe(first)
  })

  it('tells what QEMU said when it ends at once, and undoes everything', async () => {
    const disks = [{ boot: true, sizeGb: 1, source: 'not-a-kernel' }]
    await createInstance(region, { id: 'stillborn', disks })
    const failed = await waitForStatus(region, 'stillborn', 'FAILED')
    expect(failed.lifecycle.statusMessage).toMatch(/kernel/)
  })

  it('says so when the disk is full, and works again when it is not', async () => {
    // The image is not in the cache yet on a disk that is new, so its copy is what finds no room.
    const filler = join(state, 'filler')
    rmSync(join(state, 'images'), { recursive: true, force: true })
    const freeBytes = Number(run('df', ['--output=avail', '-B1', state]).split('\n')[1])
    execFileSync('fallocate', ['-l', String(freeBytes - 256 * 1024), filler])
    await createInstance(region, { id: 'full' })
    const failed = await waitForStatus(region, 'full', 'FAILED')
    expect(failed.lifecycle.statusMessage).toMatch(/space|full/i)
    rmSync(filler)
    await createInstance(region, { id: 'roomy' })
    await waitForStatus(region, 'roomy', 'RUNNING')
  })

  it('lets no second agent at the same state', async () => {
    const { status, stdout, stderr } = spawnSync(
      process.execPath,
      [join(repositoryRoot, 'agent/main.ts'), '--config', join(region.directory, 'agent.yaml')],
      { encoding: 'utf8', timeout: 60_000 },
    )
    expect(status).toBe(1)
    expect(stdout + stderr).toMatch(/another agent/i)
    expect(await isAgentConnected(region)).toBe(true)
  })
})
