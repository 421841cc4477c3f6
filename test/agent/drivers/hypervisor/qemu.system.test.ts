// The real QEMU under the real supervision: a small guest is booted, left by its agent, adopted by another, and ended.
import {
  chmodSync,
  chownSync,
  copyFileSync,
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
} from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createDetachedSupervision } from '../../../../agent/drivers/hypervisor/detached.ts'
import type {
  GuestEnd,
  GuestHandle,
  GuestPlan,
  HypervisorDriver,
} from '../../../../agent/drivers/hypervisor/port.ts'
import { createQemuDriver } from '../../../../agent/drivers/hypervisor/qemu.ts'
import { createLinuxHost } from '../../../../agent/host/linux-host.ts'
import type { LineSocket } from '../../../../agent/host/ports.ts'
import { instancePaths } from '../../../../agent/plan/paths.ts'
import { planPinned } from '../../../../agent/plan/pinned.ts'
import { renderQemuArgs } from '../../../../agent/plan/qemu-args.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { ensureSmallGuest, smallGuestCommandLine, smallGuestReady } from '../../../guest/small-guest.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { specOf } from './guest-specs.ts'

const needs = {
  root: true,
  programs: ['qemu-system-x86_64', 'setpriv', 'taskset', 'apt-get', 'dpkg-deb', 'busybox'],
}
const uid = 298_998
const host = createLinuxHost({ clock: systemClock })

interface Agent {
  readonly driver: HypervisorDriver
  readonly end: () => void
}

describeNeeding(needs, 'the QEMU driver on this machine', () => {
  const spec = specOf({ vcpus: 1, memoryMib: 192 })
  let folder: string
  let paths: ReturnType<typeof instancePaths>
  let plan: GuestPlan
  let agents: Agent[]
  let started: GuestHandle[]

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-qemu-'))
    chmodSync(folder, 0o711)
    paths = instancePaths({ state: join(folder, 'state'), run: join(folder, 'run') }, spec.uid)
    mkdirSync(paths.directory, { recursive: true })
    mkdirSync(paths.runDirectory, { recursive: true })
    chmodSync(paths.runDirectory, 0o700)
    chownSync(paths.runDirectory, uid, uid)
    plan = planOf(await ensureSmallGuest())
    agents = []
    started = []
  })

  afterEach(async () => {
    for (const agent of agents) agent.end()
    for (const { process: guest } of started) {
      await host.processes.signal(guest, 'SIGKILL')
      await host.processes.waitGone(guest, 10_000)
    }
    rmSync(folder, { recursive: true })
  })

  function planOf(guest: { kernelPath: string; initrdPath: string }): GuestPlan {
    const kernelPath = join(folder, 'kernel')
    const initrdPath = join(folder, 'initrd')
    copyFileSync(guest.kernelPath, kernelPath)
    copyFileSync(guest.initrdPath, initrdPath)
    for (const path of [kernelPath, initrdPath]) chmodSync(path, 0o644)
    const machineType = 'q35'
    const pinned = planPinned(spec, { machineType, accelerator: 'tcg', runAsUid: uid })
    const directKernel = { kernelPath, initrdPath, commandLine: smallGuestCommandLine }
    return {
      instanceUid: spec.uid,
      program: 'qemu-system-x86_64',
      args: renderQemuArgs({ spec, pinned, paths, directKernel }),
      runAs: { uid, gid: uid, supplementaryGids: [] },
      memlockMib: 8,
      qmpSocketPath: paths.qmpSocket,
      pidFilePath: paths.pidFile,
      logPath: paths.qemuLog,
      startTimeoutMs: 30_000,
    }
  }

  /** What is known is what the journal holds. Ending it closes its sockets, as the end of its process would. */
  function newAgent(): Agent {
    const open: LineSocket[] = []
    const sockets = {
      ...host.sockets,
      connect: async (path: string) => {
        const socket = await host.sockets.connect(path)
        open.push(socket)
        return socket
      },
    }
    const supervision = createDetachedSupervision(host)
    const options = { ...host, sockets, supervision, clock: systemClock, log: silentLogger }
    const agent = {
      driver: createQemuDriver(options),
      end: () => {
        for (const socket of open) socket.close()
      },
    }
    agents.push(agent)
    return agent
  }

  async function start(driver: HypervisorDriver): Promise<GuestHandle> {
    const handle = await driver.start(plan)
    started.push(handle)
    return handle
  }

  function watch(driver: HypervisorDriver, handle: GuestHandle): Promise<GuestEnd> {
    return new Promise((resolve) => driver.watch(handle, paths.qmpSocket, resolve))
  }

  async function readUntil(driver: HypervisorDriver, handle: GuestHandle, words: string): Promise<string> {
    let serial = ''
    while (!serial.includes(words)) {
      const bytes = await driver.readSerial(handle, paths.qmpSocket, 64 * 1024)
      serial += Buffer.from(bytes).toString('latin1')
      await systemClock.sleep(50)
    }
    return serial
  }

  it('keeps each vCPU and all its other threads where they are to run', async () => {
    plan = { ...plan, pinning: { vcpus: ['0'], emulator: '0-1' } }
    const handle = await start(newAgent().driver)
    const tasks = `/proc/${handle.process.pid}/task`
    const cpus = readdirSync(tasks).map((task) => {
      const isVcpu = readFileSync(`${tasks}/${task}/comm`, 'utf8').startsWith('CPU ')
      const allowed = /^Cpus_allowed_list:\s*(.*)$/m.exec(
        readFileSync(`${tasks}/${task}/status`, 'utf8'),
      )?.[1]
      return `${isVcpu ? 'vCPU' : 'other'} ${allowed}`
    })
    expect(new Set(cpus)).toEqual(new Set(['vCPU 0', 'other 0-1']))
  })

  it('boots a guest that an agent leaves, another adopts, and the button turns off', async () => {
    const { driver: first, end } = newAgent()
    const handle = await start(first)
    expect(await first.status(handle, paths.qmpSocket)).toEqual({ kind: 'running' })
    await readUntil(first, handle, smallGuestReady)
    end()

    const { driver: second } = newAgent()
    expect(await second.status(handle, paths.qmpSocket)).toEqual({ kind: 'running' })
    const ended = watch(second, handle)
    await second.powerDown(handle, paths.qmpSocket)
    expect(await ended).toEqual({ kind: 'powered-off' })
    expect(await second.status(handle, paths.qmpSocket)).toEqual({ kind: 'powered-off' })
    await second.kill(handle, paths.qmpSocket)
    expect(await second.status(handle, paths.qmpSocket)).toEqual({ kind: 'gone' })
  })

  it('tells a guest that powered itself off while no agent was there from one that crashed', async () => {
    const { driver: first, end } = newAgent()
    const handle = await start(first)
    await readUntil(first, handle, smallGuestReady)
    await first.powerDown(handle, paths.qmpSocket)
    end()

    const { driver: second } = newAgent()
    expect(await watch(second, handle)).toEqual({ kind: 'powered-off' })
    process.kill(handle.process.pid, 'SIGKILL')
    await host.processes.waitGone(handle.process, 10_000)
    expect((await watch(newAgent().driver, handle)).kind).toBe('crashed')
  })

  it('notices that a guest that it watches was killed', async () => {
    const { driver } = newAgent()
    const handle = await start(driver)
    const end = watch(driver, handle)
    process.kill(handle.process.pid, 'SIGKILL')
    expect((await end).kind).toBe('crashed')
    expect(await driver.status(handle, paths.qmpSocket)).toEqual({ kind: 'gone' })
  })

  it('gives the guest’s process a user and a session of its own, no capability and the sandbox', async () => {
    const { process: guest } = await start(newAgent().driver)
    const status = readFileSync(`/proc/${guest.pid}/status`, 'utf8')
    const field = (name: string) => new RegExp(`^${name}:[ \\t]*(.*)$`, 'm').exec(status)?.[1]?.split('\t')
    expect(field('Uid')).toEqual(Array(4).fill(String(uid)))
    expect(field('Gid')).toEqual(Array(4).fill(String(uid)))
    expect(field('Groups')?.join('').trim()).toBe('')
    for (const set of ['CapInh', 'CapPrm', 'CapEff', 'CapBnd', 'CapAmb']) {
      expect(field(set), set).toEqual(['0000000000000000'])
    }
    expect(field('NoNewPrivs')).toEqual(['1'])
    expect(field('Seccomp')).toEqual(['2'])
    // A session of its own: what ends the agent's does not end this.
    expect(field('NSsid')).toEqual([String(guest.pid)])
  })

  it('keeps a stopped process from staying when it is told to end', async () => {
    const { driver } = newAgent()
    const handle = await start(driver)
    process.kill(handle.process.pid, 'SIGSTOP')
    await driver.kill(handle, paths.qmpSocket)
    expect(await driver.status(handle, paths.qmpSocket)).toEqual({ kind: 'gone' })
  })

  it('says what QEMU said when it ends at once, and leaves nothing running', async () => {
    const broken = { ...plan, args: [...plan.args, '-device', 'no-such-device'] }
    await expect(newAgent().driver.start(broken)).rejects.toMatchObject({
      reason: 'START_FAILED',
      message: expect.stringContaining("'no-such-device' is not a valid device model name"),
    })
    expect(readdirSync('/proc').filter((name) => commandLineOf(name).includes(folder))).toEqual([])
  })

  it('says that the program is missing', async () => {
    const missing = { ...plan, program: 'qemu-system-nowhere' }
    await expect(newAgent().driver.start(missing)).rejects.toMatchObject({
      reason: 'START_FAILED',
      message: expect.stringContaining('qemu-system-nowhere'),
    })
  })
})

/** '' for what is no process, or only waits to be counted. */
function commandLineOf(name: string): string {
  const path = `/proc/${name}/cmdline`
  return /^\d+$/.test(name) && existsSync(path) ? readFileSync(path, 'utf8') : ''
}
