// A small guest of this machine: its files, its plan, and the agents that look after it one after the other.
import { spawnSync } from 'node:child_process'
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type {
  GuestEnd,
  GuestHandle,
  GuestPlan,
  HypervisorDriver,
} from '../../../../agent/drivers/hypervisor/port.ts'
import { type InstancePaths, imageCacheDirectory, instancePaths } from '../../../../agent/plan/paths.ts'
import { planPinned } from '../../../../agent/plan/pinned.ts'
import { systemClock } from '../../../../lib/clock.ts'
import type { InstanceSpec } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { ensureSmallGuest, smallGuestCommandLine } from '../../../guest/small-guest.ts'
import type { DriverUnderTest, TestAgent } from './real-drivers.ts'

const maxBytes = 64 * 1024

export class RealGuest {
  readonly folder: string
  readonly paths: InstancePaths
  readonly uid: number
  readonly #underTest: DriverUnderTest
  readonly #spec: InstanceSpec
  readonly #agents: TestAgent[] = []
  readonly #started: GuestHandle[] = []

  constructor(underTest: DriverUnderTest, { spec, uid }: { spec: InstanceSpec; uid: number }) {
    this.#underTest = underTest
    this.#spec = spec
    this.uid = uid
    this.folder = mkdtempSync(join(tmpdir(), `berth-${underTest.name}-`))
    chmodSync(this.folder, 0o711)
    this.paths = instancePaths(this.#directories, spec.uid)
    mkdirSync(this.paths.directory, { recursive: true })
    mkdirSync(imageCacheDirectory(this.#directories), { recursive: true })
    this.#makeDirectory(this.paths.runDirectory, { mode: 0o700, uid, gid: uid })
    this.#makeDirectory(this.paths.consoleDirectory, { mode: 0o710, uid: 0, gid: uid })
  }

  /** Kernel and initial file system are only for who is in their group, as in the host's cache. */
  async plan({ commandLine = smallGuestCommandLine } = {}): Promise<GuestPlan> {
    const made = await ensureSmallGuest()
    const gid = 298_000
    const [kernelPath, initrdPath] = ['kernel', 'initrd'].map(
      (name) => `${imageCacheDirectory(this.#directories)}/${name}`,
    ) as [string, string]
    copyFileSync(made.kernelPath, kernelPath)
    copyFileSync(made.initrdPath, initrdPath)
    for (const path of [kernelPath, initrdPath]) {
      chownSync(path, 0, gid)
      chmodSync(path, 0o640)
    }
    const { uid } = this
    const spec = this.#spec
    return {
      machine: {
        ...{ spec, paths: this.paths, directKernel: { kernelPath, initrdPath, commandLine } },
        pinned: planPinned(spec, { machineType: 'pc-q35-7.2', accelerator: 'tcg', runAsUid: uid }),
      },
      program: 'qemu-system-x86_64',
      runAs: { uid, gid: uid },
      shared: [kernelPath, initrdPath].map((path) => ({ path, gid, access: 'read' })),
      memlockMib: 8,
      startTimeoutMs: 60_000,
      endTimeoutMs: 10_000,
    }
  }

  newAgent(): TestAgent {
    const agent = this.#underTest.newAgent({ imageDirectory: imageCacheDirectory(this.#directories) })
    this.#agents.push(agent)
    return agent
  }

  async start(driver: HypervisorDriver, plan: GuestPlan): Promise<GuestHandle> {
    const guest = await driver.start(plan)
    this.#started.push(guest)
    return guest
  }

  /** A blank disk of the guest's. */
  makeDisk(path: string, size: string): void {
    const made = spawnSync('qemu-img', ['create', '-q', '-f', 'qcow2', path, size])
    if (made.status !== 0) throw new Error(String(made.stderr))
    chownSync(path, this.uid, this.uid)
    chmodSync(path, 0o600)
  }

  async readUntil(driver: HypervisorDriver, guest: GuestHandle, words: string): Promise<string> {
    let serial = ''
    while (!serial.includes(words)) {
      const bytes = await driver.readSerial(guest, maxBytes)
      serial += Buffer.from(bytes).toString('latin1')
      await systemClock.sleep(50)
    }
    return serial
  }

  async remove(): Promise<void> {
    for (const agent of this.#agents) await agent.end()
    const last = this.newAgent()
    for (const guest of this.#started) await last.driver.kill(guest)
    await last.end()
    rmSync(this.folder, { recursive: true })
  }

  get #directories() {
    return { state: join(this.folder, 'state'), run: join(this.folder, 'run') }
  }

  #makeDirectory(path: string, { mode, uid, gid }: { mode: number; uid: number; gid: number }): void {
    mkdirSync(path, { recursive: true })
    chmodSync(path, mode)
    chownSync(path, uid, gid)
  }
}

export const endOf = (driver: HypervisorDriver, guest: GuestHandle): Promise<GuestEnd> =>
  new Promise((resolve) => driver.watch(guest, resolve))
