// Serial port 1 of a real QEMU: given to a console and back to the ring, under a guest that writes all the time.
import { chmodSync, chownSync, copyFileSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createDetachedSupervision } from '../../../../agent/drivers/hypervisor/detached.ts'
import type { GuestHandle, HypervisorDriver, OpenSerial } from '../../../../agent/drivers/hypervisor/port.ts'
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
  programs: ['qemu-system-x86_64', 'setpriv', 'apt-get', 'dpkg-deb', 'busybox'],
}
const uid = 298_997
const maxBytes = 256 * 1024
const host = createLinuxHost({ clock: systemClock })

describeNeeding(needs, 'the serial port of a guest', () => {
  const spec = specOf({ vcpus: 1, memoryMib: 192 })
  let folder: string
  let paths: ReturnType<typeof instancePaths>
  let driver: HypervisorDriver
  let monitor: LineSocket | undefined
  let guest: GuestHandle
  /** All that the guest has written, as the agent would record it. */
  let recorded: string
  let connection: (OpenSerial & { over: Promise<void> }) | undefined

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-serial-'))
    chmodSync(folder, 0o711)
    paths = instancePaths({ state: join(folder, 'state'), run: join(folder, 'run') }, spec.uid)
    mkdirSync(paths.directory, { recursive: true })
    mkdirSync(paths.runDirectory, { recursive: true })
    chmodSync(paths.runDirectory, 0o700)
    chownSync(paths.runDirectory, uid, uid)
    mkdirSync(paths.consoleDirectory, { recursive: true })
    chmodSync(paths.consoleDirectory, 0o710)
    chownSync(paths.consoleDirectory, 0, uid)
    driver = newDriver()
    recorded = ''
    connection = undefined
    guest = await driver.start(planOf(await ensureSmallGuest()))
    while (!recorded.includes(smallGuestReady)) await drain()
  })

  afterEach(async () => {
    await driver.kill(guest, paths.qmpSocket)
    rmSync(folder, { recursive: true })
  })

  /** With it goes the one before, whose monitor is closed as the end of its process would. */
  function newDriver(): HypervisorDriver {
    monitor?.close()
    const sockets = {
      ...host.sockets,
      connect: async (path: string) => {
        monitor = await host.sockets.connect(path)
        return monitor
      },
    }
    const supervision = createDetachedSupervision(host)
    return createQemuDriver({ ...host, sockets, supervision, clock: systemClock, log: silentLogger })
  }

  function planOf(made: { kernelPath: string; initrdPath: string }) {
    const [kernelPath, initrdPath] = [join(folder, 'kernel'), join(folder, 'initrd')]
    copyFileSync(made.kernelPath, kernelPath)
    copyFileSync(made.initrdPath, initrdPath)
    for (const path of [kernelPath, initrdPath]) chmodSync(path, 0o644)
    const pinned = planPinned(spec, { machineType: 'q35', accelerator: 'tcg', runAsUid: uid })
    const directKernel = { kernelPath, initrdPath, commandLine: `${smallGuestCommandLine} small-guest.shell` }
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

  async function drain(): Promise<void> {
    const bytes = await driver.readSerial(guest, paths.qmpSocket, maxBytes)
    recorded += Buffer.from(bytes).toString('latin1')
    if (bytes.length < maxBytes) await systemClock.sleep(50)
  }

  async function open(): Promise<OpenSerial & { over: Promise<void> }> {
    const opened = await driver.openSerial(guest, paths.qmpSocket, {
      socketPath: paths.consoleSocket,
      maxBytes,
    })
    recorded += Buffer.from(opened.unread).toString('latin1')
    const over = new Promise<void>((resolve) => opened.socket.onClose(resolve))
    const now = { ...opened, over }
    opened.socket.onBytes(async (bytes) => {
      recorded += Buffer.from(bytes).toString('latin1')
    })
    connection = now
    return now
  }

  async function close(): Promise<void> {
    connection?.socket.end()
    await connection?.over
    await driver.closeSerial(guest, paths.qmpSocket)
  }

  const type = (line: string) => connection?.socket.write(Buffer.from(`${line}\n`))

  it('takes what is typed and gives what it leads to, and the ring has the rest', async () => {
    await open()
    await type('echo answer-$((40 + 2)); (sleep 2; echo later-$((40 + 3))) &')
    await expect.poll(() => recorded, { timeout: 60_000 }).toContain('answer-42')
    await close()
    while (!recorded.includes('later-43')) await drain()
    // Once more, over what is in the ring by then.
    await open()
    await type('echo again-$((40 + 4))')
    await expect.poll(() => recorded, { timeout: 60_000 }).toContain('again-44')
  })

  it('comes back to the ring after an agent that was killed with a console open', async () => {
    const { socket } = await open()
    await type('while :; do echo tick; sleep 1; done')
    await expect.poll(() => recorded, { timeout: 60_000 }).toContain('tick')
    socket.close()
    driver = newDriver()
    recorded = ''
    // QEMU drops what the guest writes meanwhile, and the guest does not wait.
    while (!recorded.includes('tick')) await drain()
  })

  it('goes on with a guest that was held up by an agent that hung, once that is gone', async () => {
    const { socket } = await driver.openSerial(guest, paths.qmpSocket, {
      socketPath: paths.consoleSocket,
      maxBytes,
    })
    await socket.write(Buffer.from('i=0; while :; do echo line-$i; i=$((i + 1)); done\n'))
    // More than fits into a socket.
    await systemClock.sleep(15_000)
    socket.close()
    driver = newDriver()
    while (!/line-\d+/.test(recorded)) await drain()
    const [first] = /line-\d+/.exec(recorded) ?? []
    console.info(`The ring goes on with ${first}`)
  })

  it('goes on, and loses little, when it changes hands under a guest that writes all the time', async () => {
    await open()
    const lines = 40_000
    await type(`i=0; while [ $i -lt ${lines} ]; do echo "<$i>"; i=$((i + 1)); done; echo all-$((1 + 1))`)
    let changes = 0
    while (!recorded.includes('all-2')) {
      await systemClock.sleep(20)
      await close()
      for (let round = 0; round < 3; round += 1) await drain()
      await open()
      changes += 2
      if (changes > 200) throw new Error(`The guest stands still: ${recorded.slice(-200)}`)
    }
    const seen = new Set([...recorded.matchAll(/<(\d+)>\r\n/g)].map(([, number]) => Number(number)))
    const lost = Array.from({ length: lines }, (_, index) => index).filter((index) => !seen.has(index)).length
    console.info(`${changes} changes of hands, ${lost} of ${lines} lines lost`)
    expect(changes).toBeGreaterThan(4)
    // Some milliseconds of a guest that does nothing but write.
    expect(lost / changes).toBeLessThan(500)
  })
})
