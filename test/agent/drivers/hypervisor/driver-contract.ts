// What each hypervisor driver keeps, with its real programs: a small guest is booted, left by its agent, adopted by another, changed while
// it runs, and ended.
import { existsSync, readdirSync, readFileSync, rmSync, statSync } from 'node:fs'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from 'vitest'
import type { GuestHandle, GuestPlan, HypervisorDriver } from '../../../../agent/drivers/hypervisor/port.ts'
import { createLinuxProcesses } from '../../../../agent/host/linux-processes.ts'
import { repinDisks } from '../../../../agent/plan/pinned.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { DiskInterface } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { smallGuestCommandLine, smallGuestReady } from '../../../guest/small-guest.ts'
import { expectGolden } from '../../../support/golden.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { specOf } from './guest-specs.ts'
import type { DriverUnderTest, Extent } from './real-drivers.ts'
import { endOf, RealGuest } from './real-guest.ts'

const processes = createLinuxProcesses({ clock: systemClock })
const gib = 1024 ** 3

export function describeDriver(underTest: DriverUnderTest, extent: Extent): void {
  describeNeeding(underTest.needs, `the driver ${underTest.name} on this machine`, () => {
    const spec = specOf({
      vcpus: 1,
      memoryMib: 192,
      disks: [{ deviceName: 'disk0', sizeGb: 1, boot: true, interface: DiskInterface.VIRTIO }],
    })
    let guest: RealGuest
    let plan: GuestPlan
    let stop: () => Promise<void>

    beforeAll(async () => {
      stop = await underTest.prepare()
    })

    afterAll(() => stop())

    beforeEach(async () => {
      guest = new RealGuest(underTest, { spec, uid: 298_998 })
      plan = await guest.plan()
      guest.makeDisk(`${guest.paths.directory}/disk0.qcow2`, '1G')
    })

    afterEach(() => guest.remove())

    const commandLineWith = (words: string): Promise<GuestPlan> =>
      guest.plan({ commandLine: `${smallGuestCommandLine} ${words}` })

    it('boots a guest that an agent leaves, another adopts, and the button turns off', async () => {
      const { driver: first, end } = guest.newAgent()
      const handle = await guest.start(first, plan)
      expect(await first.status(handle)).toEqual({ kind: 'running' })
      const said = await guest.readUntil(first, handle, smallGuestReady)
      // The same from each driver.
      expectGolden('small-guest-devices.txt', sectionOf(said, 'pci') + sectionOf(said, 'disks'))
      await end()

      const { driver: second } = guest.newAgent()
      expect(await second.status(handle)).toEqual({ kind: 'running' })
      expect(await second.find(handle)).toMatchObject({
        process: handle.process,
      })
      const ended = endOf(second, handle)
      await second.powerDown(handle)
      expect(await ended).toEqual({ kind: 'powered-off' })
      expect(await second.status(handle)).toEqual({ kind: 'powered-off' })
      await second.kill(handle)
      expect(await processes.isAlive(handle.process)).toBe(false)
    })

    if (extent === 'smoke') return

    it('keeps each vCPU and all its other threads where they are to run', async () => {
      const pinning = { vcpus: [[0]], isExclusive: true, emulator: [0, 1] }
      const hardware = { nodeIds: [0], memory: [], pinning, cpuVendor: '', barBytes: undefined }
      const { process } = await guest.start(guest.newAgent().driver, {
        ...plan,
        machine: { ...plan.machine, hardware },
      })
      const tasks = `/proc/${process.pid}/task`
      const cpus = readdirSync(tasks).map((task) => {
        const isVcpu = /^(CPU \d+|ALL CPUs)\//.test(readFileSync(`${tasks}/${task}/comm`, 'utf8'))
        const status = readFileSync(`${tasks}/${task}/status`, 'utf8')
        return `${isVcpu ? 'vCPU' : 'other'} ${/^Cpus_allowed_list:\s*(.*)$/m.exec(status)?.[1]}`
      })
      expect(new Set(cpus)).toEqual(new Set(['vCPU 0', 'other 0-1']))
    })

    it('tells a guest that powered itself off while no agent was there from one that crashed', async () => {
      const { driver: first, end } = guest.newAgent()
      const handle = await guest.start(first, plan)
      await guest.readUntil(first, handle, smallGuestReady)
      await first.powerDown(handle)
      await end()
      expect(await endOf(guest.newAgent().driver, handle)).toEqual({ kind: 'powered-off' })
      await guest.newAgent().driver.kill(handle)

      const { driver: second, end: endSecond } = guest.newAgent()
      const again = await guest.start(second, plan)
      await endSecond()
      process.kill(again.process.pid, 'SIGKILL')
      await processes.waitGone(again.process, 10_000)
      expect((await endOf(guest.newAgent().driver, again)).kind).toBe('crashed')
    })

    it('notices that a guest that it watches was killed', async () => {
      const { driver } = guest.newAgent()
      const handle = await guest.start(driver, plan)
      const end = endOf(driver, handle)
      process.kill(handle.process.pid, 'SIGKILL')
      expect((await end).kind).toBe('crashed')
      expect(await driver.status(handle)).toEqual({ kind: 'gone' })
    })

    it('gives the guest’s process a user and a session of its own, no capability and the sandbox', async () => {
      const { process: running } = await guest.start(guest.newAgent().driver, plan)
      const status = readFileSync(`/proc/${running.pid}/status`, 'utf8')
      const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.split('\t')
      const uid = String(guest.uid)
      expect(field('Uid')).toEqual(Array(4).fill(uid))
      expect(field('Gid')).toEqual(Array(4).fill(uid))
      for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapAmb']) {
        expect(field(set), set).toEqual(['0000000000000000'])
      }
      expect(field('CapBnd')?.join()).toMatch(new RegExp(`^${underTest.boundingSet}$`))
      expect(field('NoNewPrivs')).toEqual(['1'])
      expect(field('Seccomp')).toEqual(['2'])
      // A session of its own: what ends the agent's does not end this.
      const ours = /^NSsid:\t(\d+)/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1]
      expect(field('NSsid')).not.toEqual([ours])
    })

    it('resets a guest, which boots again', async () => {
      const { driver } = guest.newAgent()
      const handle = await guest.start(driver, plan)
      await guest.readUntil(driver, handle, smallGuestReady)
      await driver.reset(handle)
      await guest.readUntil(driver, handle, smallGuestReady)
      expect(await driver.status(handle)).toEqual({ kind: 'running' })
    })

    it('gives a guest that runs a disk, grows it, and takes it back', async () => {
      const { driver } = guest.newAgent()
      const handle = await guest.start(driver, await commandLineWith('small-guest.shell'))
      await guest.readUntil(driver, handle, smallGuestReady)
      const disk = { ...spec.disks[0], deviceName: 'data', boot: false } as (typeof spec.disks)[number]
      const pinned = repinDisks(plan.machine.pinned, [...spec.disks, disk])
      const path = join(guest.paths.directory, 'data.qcow2')
      guest.makeDisk(path, '1G')
      if (!pinned) throw new Error('The machine has no slot left.')
      await driver.plugDisk(handle, { disk, path, pinned })
      // A killed agent's work is done again.
      await driver.plugDisk(handle, { disk, path, pinned })
      await driver.resizeDisk(handle, { deviceName: 'data', sizeBytes: 2 * gib })
      const list =
        'sleep 1; for disk in /sys/block/vd?; do echo "$(cat $disk/serial)=$(cat $disk/size)"; done'
      const seen = await ask(driver, handle, list)
      expect(seen).toContain(`disk0=${gib / 512}`)
      expect(seen).toContain(`data=${(2 * gib) / 512}`)
      const { signal } = new AbortController()
      await driver.unplugDisk(handle, { deviceName: 'data', signal })
      await driver.unplugDisk(handle, { deviceName: 'data', signal })
      expect(await ask(driver, handle, list)).not.toContain('data=')
    })

    it('saves the memory of a guest, which goes on from there in another process', async () => {
      const { driver } = guest.newAgent()
      const handle = await guest.start(driver, await commandLineWith('small-guest.shell'))
      await guest.readUntil(driver, handle, smallGuestReady)
      await ask(driver, handle, 'echo remembered >/tmp/note')
      const memoryPath = guest.paths.memory
      guest.makeDisk(memoryPath, '1G')
      await driver.saveMemory(handle, memoryPath)
      expect(await driver.status(handle)).toEqual({ kind: 'paused' })
      expect(statSync(memoryPath).size).toBeGreaterThan(1024 ** 2)
      await driver.kill(handle)
      const loaded: string[] = []
      const memory = { path: memoryPath, onLoaded: async () => void loaded.push('loaded') }
      const again = await guest.start(driver, { ...plan, memory })
      expect(loaded).toEqual(['loaded'])
      expect(await ask(driver, again, 'cat /tmp/note')).toContain('remembered')
    })

    it('lets a guest whose memory was saved go on where it is not ended', async () => {
      const { driver } = guest.newAgent()
      const handle = await guest.start(driver, plan)
      guest.makeDisk(guest.paths.memory, '1G')
      await driver.saveMemory(handle, guest.paths.memory)
      await driver.resume(handle)
      expect(await driver.status(handle)).toEqual({ kind: 'running' })
    })

    it('keeps a stopped process from staying when it is told to end', async () => {
      const { driver } = guest.newAgent()
      const handle = await guest.start(driver, plan)
      process.kill(handle.process.pid, 'SIGSTOP')
      await driver.kill(handle)
      expect(await driver.status(handle)).toEqual({ kind: 'gone' })
    })

    it('lets no vCPU run before the NICs are filtered, and leaves nothing running where they can’t be', async () => {
      const { driver } = guest.newAgent()
      const connected = Promise.reject(new Error('The filter was refused.'))
      connected.catch(() => {})
      await expect(guest.start(driver, { ...plan, connected })).rejects.toThrow(
        /filter was refused|did not start/,
      )
      expect(leftOf(guest.folder)).toEqual([])
    })

    it('says what QEMU said when it ends at once, and leaves nothing running', async () => {
      rmSync(guest.paths.disk({ deviceName: 'disk0', volumeUid: '' }))
      await expect(guest.start(guest.newAgent().driver, plan)).rejects.toMatchObject({
        reason: 'START_FAILED',
        message: expect.stringMatching(/disk0\.qcow2'.*: No such file or directory/),
      })
      expect(leftOf(guest.folder)).toEqual([])
    })

    it('says that the program is missing', async () => {
      const missing = { ...plan, program: '/usr/bin/qemu-system-nowhere' }
      await expect(guest.start(guest.newAgent().driver, missing)).rejects.toMatchObject({
        reason: 'START_FAILED',
        message: expect.stringContaining('qemu-system-nowhere'),
      })
    })

    /** What its shell answers. */
    async function ask(driver: HypervisorDriver, handle: GuestHandle, command: string): Promise<string> {
      const { socket } = await driver.openSerial(handle, {
        socketPath: guest.paths.consoleSocket,
        maxBytes: 1024 ** 2,
      })
      let heard = ''
      socket.onBytes(async (bytes) => {
        heard += Buffer.from(bytes).toString('latin1')
      })
      await socket.write(Buffer.from(`${command}; echo end-$((40 + 2))\n`))
      await expect.poll(() => heard, { timeout: 60_000 }).toContain('end-42')
      const over = new Promise<void>((resolve) => socket.onClose(resolve))
      socket.end()
      await over
      await driver.closeSerial(handle)
      return heard
    }
  })
}

/** What the small guest has told of itself. */
const sectionOf = (said: string, name: string) =>
  new RegExp(`BERTH-GUEST-BEGIN ${name}\\r\\n([\\s\\S]*?)\\r\\n\\r\\nBERTH-GUEST-END ${name}`)
    .exec(said)?.[1]
    ?.replaceAll('\r', '')
    .concat('\n') ?? `no ${name}\n`

/** Processes that have to do with a folder. */
const leftOf = (folder: string) =>
  readdirSync('/proc').filter((name) => {
    const path = `/proc/${name}/cmdline`
    // '' for what is no process, or only waits to be counted.
    return /^\d+$/.test(name) && existsSync(path) && readFileSync(path, 'utf8').includes(folder)
  })
