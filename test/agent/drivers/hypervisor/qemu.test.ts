import { beforeEach, describe, expect, it } from 'vitest'
import type { GuestEnd, GuestPlan } from '../../../../agent/drivers/hypervisor/port.ts'
import { createQemuDriver, type QemuDriverOptions } from '../../../../agent/drivers/hypervisor/qemu.ts'
import { FakeExec } from '../../../../agent/host/fake/fake-exec.ts'
import { FakeFiles } from '../../../../agent/host/fake/fake-files.ts'
import { FakeProcesses } from '../../../../agent/host/fake/fake-processes.ts'
import { type FakePeer, FakeSockets } from '../../../../agent/host/fake/fake-sockets.ts'
import { FakeSysfs } from '../../../../agent/host/fake/fake-sysfs.ts'
import { parseShape } from '../../../../agent/host/fake/shape.ts'
import type { Processes } from '../../../../agent/host/ports.ts'
import { instancePaths } from '../../../../agent/plan/paths.ts'
import { planPinned } from '../../../../agent/plan/pinned.ts'
import { systemClock } from '../../../../lib/clock.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { specOf } from './guest-specs.ts'

const spec = specOf({ vcpus: 2 })
const paths = instancePaths({ state: '/var/lib/berth', run: '/run/berth' }, spec.uid)
const path = paths.qmpSocket
const pinned = planPinned(spec, { machineType: 'pc-q35-7.2', accelerator: 'tcg', runAsUid: 200_000 })
const plan: GuestPlan = {
  machine: { spec, pinned, paths },
  program: 'qemu-system-x86_64',
  runAs: { uid: 200_000, gid: 200_000 },
  shared: [],
  memlockMib: 8,
  startTimeoutMs: 200,
  endTimeoutMs: 10_000,
}

const noListening = { listenOnce: () => Promise.reject(new Error('Nobody listens here.')) }

let processes: FakeProcesses
let sockets: FakeSockets
let peers: FakePeer[]
let state: string
let pid: number

beforeEach(() => {
  processes = new FakeProcesses('boot-1')
  sockets = new FakeSockets()
  peers = []
  state = 'prelaunch'
})

/** A guest whose QEMU behaves; `refuses` are commands that it answers with an error. */
function beginGuest(refuses: readonly string[] = []) {
  const guest = processes.begin('qemu', (signal) => {
    if (signal === 'SIGKILL') sockets.unlisten(path)
  })
  pid = guest.identity.pid
  sockets.listen(path, {
    onConnect: (peer) => {
      peers.push(peer)
      peer.send('{"QMP":{}}')
      const onLine = (line: string) => {
        const { execute, id } = JSON.parse(line) as { execute: string; id: number }
        if (refuses.includes(execute)) {
          peer.send(JSON.stringify({ id, error: { class: 'GenericError', desc: `no ${execute}` } }))
          return
        }
        if (execute === 'cont') state = 'running'
        const answers: Record<string, unknown> = {
          'query-status': { status: state },
          'query-cpus-fast': [1, 0].map((index) => ({ 'cpu-index': index, 'thread-id': 900 + index })),
        }
        peer.send(JSON.stringify({ id, return: answers[execute] ?? {} }))
        if (execute === 'quit') setImmediate(endGuest)
      }
      return { onLine, onClose: () => {} }
    },
  })
  return guest.identity
}

function endGuest() {
  processes.end(pid)
  sockets.unlisten(path)
}

function driverWith(options: Partial<QemuDriverOptions> = {}, refuses: readonly string[] = []) {
  return createQemuDriver({
    supervision: {
      launch: async () => ({ process: beginGuest(refuses) }),
      readLastWords: async () => 'qemu-system-x86_64: out of luck',
      cleanUp: async () => {},
    },
    exec: new FakeExec({}),
    files: new FakeFiles({ totalBytes: 1e12, nowMs: () => 0 }),
    sysfs: new FakeSysfs(parseShape('')),
    processes,
    sockets,
    clock: systemClock,
    log: silentLogger,
    ...options,
  })
}

const emit = (event: object) => peers.at(-1)?.send(JSON.stringify({ timestamp: {}, ...event }))

/** Long enough for a watcher to have looked again. */
const afterTheNextLook = () => systemClock.sleep(700)

it('starts a guest, and lets nothing run where it can’t', async () => {
  await driverWith().start(plan)
  expect(state).toBe('running')
  endGuest()
  await expect(driverWith({}, ['cont']).start(plan)).rejects.toMatchObject({
    reason: 'START_FAILED',
    message: expect.stringContaining('out of luck'),
  })
  expect(processes.names()).toEqual([])
})

describe('a guest with CPUs of its own', () => {
  const pinning = { vcpus: [[4], [100]], isExclusive: true, emulator: [0, 1, 2, 3, 96, 97, 98, 99] }
  const hardware = { nodeIds: [0], memory: [], pinning, cpuVendor: '', barBytes: undefined }
  const pinnedPlan: GuestPlan = { ...plan, machine: { ...plan.machine, hardware } }

  it('has them before any of its vCPUs runs', async () => {
    const states: string[] = []
    const exec = new FakeExec({
      taskset: () => {
        states.push(state)
        return {}
      },
    })
    await driverWith({ exec }).start(pinnedPlan)
    expect(exec.history.map(({ args }) => args.join(' '))).toEqual([
      `-a -p -c 0-3,96-99 ${pid}`,
      '-p -c 100 901',
      '-p -c 4 900',
    ])
    expect(new Set(states)).toEqual(new Set(['prelaunch']))
    endGuest()
  })

  it('is told of all its threads at once where all run on the same', async () => {
    const exec = new FakeExec({ taskset: () => ({}) })
    const shared = {
      vcpus: [
        [0, 1],
        [0, 1],
      ],
      isExclusive: false,
      emulator: [0, 1],
    }
    const machine = { ...plan.machine, hardware: { ...hardware, pinning: shared } }
    await driverWith({ exec }).start({ ...plan, machine })
    expect(exec.history.map(({ args }) => args.join(' '))).toEqual([`-a -p -c 0-1 ${pid}`])
    endGuest()
  })

  it('runs anywhere where the host does not let it', async () => {
    const exec = new FakeExec({ taskset: () => ({ code: 1, stderr: 'taskset: failed: Invalid argument' }) })
    await driverWith({ exec }).start(pinnedPlan)
    expect(state).toBe('running')
    endGuest()
  })
})

it('waits for a guest that takes its connection as long as its plan says, and no longer', async () => {
  const silent = {
    ...noListening,
    connect: async () => ({ onLine: () => {}, onClose: () => {}, send: () => {}, close: () => {} }),
  }
  const beganMs = performance.now()
  await expect(driverWith({ sockets: silent }).start(plan)).rejects.toMatchObject({ reason: 'START_TIMEOUT' })
  const tookMs = performance.now() - beganMs
  expect(tookMs).toBeGreaterThan(plan.startTimeoutMs)
  // A monitor's own patience.
  expect(tookMs).toBeLessThan(10_000)
})

it('gives up on a guest that never answers', async () => {
  const dumb = { ...noListening, connect: () => Promise.reject(new Error('not yet')) }
  await expect(driverWith({ sockets: dumb }).start(plan)).rejects.toMatchObject({ reason: 'START_TIMEOUT' })
  expect(processes.names()).toEqual([])
})

it('gives the kernel as long as the guest’s memory takes to be freed, and not for ever', async () => {
  const neverQuits = ['quit']
  const handle = { ...(await driverWith({}, neverQuits).start(plan)), endTimeoutMs: 60_000 }
  const killSlowly = (neededMs: number) => {
    const slow: Processes = {
      identify: (known) => processes.identify(known),
      isAlive: (process) => processes.isAlive(process),
      signal: (process, signal) => processes.signal(process, signal),
      bootId: () => processes.bootId(),
      waitGone: async (_process, timeoutMs) => timeoutMs >= neededMs,
    }
    return driverWith({ processes: slow }).kill(handle)
  }
  await expect(killSlowly(60_001)).rejects.toMatchObject({ reason: 'UNRESPONSIVE' })
  await killSlowly(60_000)
})

it('tells the states of a guest apart', async () => {
  const driver = driverWith()
  const handle = await driver.start(plan)
  const kinds = []
  for (const now of ['prelaunch', 'running', 'paused', 'shutdown']) {
    state = now
    kinds.push((await driver.status(handle)).kind)
  }
  expect(kinds).toEqual(['prelaunch', 'running', 'paused', 'powered-off'])
  endGuest()
  expect(await driver.status(handle)).toEqual({ kind: 'gone' })
})

describe('a watcher', () => {
  const watched = async () => {
    const driver = driverWith()
    const handle = await driver.start(plan)
    const ends: GuestEnd[] = []
    const stop = driver.watch(handle, (end) => ends.push(end))
    await driver.status(handle)
    return { driver, handle, ends, stop }
  }

  it('hears that the guest powered itself off, not what the host wanted', async () => {
    const { driver, handle, ends } = await watched()
    emit({ event: 'SHUTDOWN', data: { guest: false, reason: 'host-signal' } })
    await driver.status(handle)
    expect(ends).toEqual([])
    emit({ event: 'SHUTDOWN', data: { guest: true, reason: 'guest-shutdown' } })
    await driver.status(handle)
    expect(ends).toEqual([{ kind: 'powered-off' }])
  })

  it('hears once that the process is gone', async () => {
    const { ends } = await watched()
    endGuest()
    await afterTheNextLook()
    expect(ends.map(({ kind }) => kind)).toEqual(['crashed'])
  })

  it('hears nothing of an end that was asked for here', async () => {
    const { driver, handle, ends } = await watched()
    await driver.kill(handle)
    await afterTheNextLook()
    expect(ends).toEqual([])
  })

  it('hears nothing any more once it is stopped', async () => {
    const { ends, stop } = await watched()
    stop()
    endGuest()
    await afterTheNextLook()
    expect(ends).toEqual([])
  })

  it('goes on over a connection that was cut', async () => {
    const { driver, handle, ends } = await watched()
    peers.at(-1)?.close()
    await afterTheNextLook()
    expect(ends).toEqual([])
    expect(peers).toHaveLength(2)
    emit({ event: 'SHUTDOWN', data: { guest: true } })
    await driver.status(handle)
    expect(ends).toEqual([{ kind: 'powered-off' }])
  })
})

it('ends a guest by its process where it can’t be asked, whatever the reason', async () => {
  for (const code of ['EAGAIN', 'EACCES', 'ECONNREFUSED']) {
    const place = { instanceUid: spec.uid, paths, uid: 200_000, endTimeoutMs: 10_000 }
    const handle = { ...place, process: beginGuest() }
    const connect = () => Promise.reject(Object.assign(new Error(code), { code }))
    const refusing = { ...noListening, connect }
    await driverWith({ sockets: refusing }).kill(handle)
    expect(processes.names()).toEqual([])
  }
})
