import type { FakeFiles } from './fake-files.ts'
import type { FakeNetwork } from './fake-network.ts'
import type { FakeProcesses } from './fake-processes.ts'
import type { FakePeer, FakeSockets } from './fake-sockets.ts'
import type { FakeSysfs } from './fake-sysfs.ts'
import { FakeQemuDisks, QemuRefusal } from './qemu-disks.ts'
import { findHardwareProblem, vcpusOf } from './qemu-hardware.ts'
import { FakeQemuMemory } from './qemu-memory.ts'
import { FakeQemuSerial } from './qemu-serial.ts'

export interface QemuWorld {
  readonly files: FakeFiles
  readonly network: FakeNetwork
  readonly processes: FakeProcesses
  readonly sockets: FakeSockets
  readonly sysfs: FakeSysfs
}

export interface FakeGuest {
  readonly pid: number
  /** The guest's own operating system powers off. */
  powerOff(): void
  /** Its process ends without a word. */
  crash(): void
  /** What it has in memory, of which nothing is on its disks. */
  memory: string
  readonly serial: FakeQemuSerial
  /** Host CPUs of each thread by its id, as taskset was told; '' where it runs anywhere. The process is its first thread. */
  readonly affinity: Map<number, string>
}

interface Asked {
  readonly execute: string
  readonly id: number
  readonly arguments?: Record<string, unknown>
}

type RunState = 'prelaunch' | 'running' | 'paused' | 'shutdown'

const threadIdsEach = 10_000
const bootOutput = 'Linux version 6.1.0 (fake)\r\nBERTH-GUEST-READY\r\n'

/**
 * QEMU as the agent sees it: refuses a machine whose disks, taps or devices are not there, waits paused, obeys QMP, and
 * stays after the guest powers off. Whatever else it is asked is an error of the test.
 */
export function startQemu(
  world: QemuWorld,
  run: { args: readonly string[]; uid: number; pid: number; end: () => void },
): FakeGuest {
  const { args } = run
  const problem = findProblem(world, args, run.uid)
  if (problem !== undefined) throw new QemuRefusal(problem)
  const qmpPath = /unix:([^,]+),/.exec(argumentOf(args, '-qmp'))?.[1] ?? ''
  const pidFile = argumentOf(args, '-pidfile')
  const peers = new Set<FakePeer>()
  const blocks = new FakeQemuDisks(world.files, args)
  const memory = new FakeQemuMemory(world.files, blocks)
  const serial = new FakeQemuSerial({ ...world, uid: run.uid }, args)
  let state: RunState = 'prelaunch'
  const vcpuThreads = Array.from({ length: vcpusOf(args) }, (_, index) => run.pid * threadIdsEach + index + 1)
  const affinity = new Map([run.pid, ...vcpuThreads].map((thread) => [thread, '']))

  const end = () => {
    world.sockets.unlisten(qmpPath)
    serial.end()
    void world.files.remove(qmpPath)
    run.end()
  }
  const tell = (event: string, data: object) => {
    for (const peer of peers)
      peer.send(JSON.stringify({ event, data, timestamp: { seconds: 0, microseconds: 0 } }))
  }
  const powerOff = (byGuest: boolean) => {
    if (state !== 'running') return
    state = 'shutdown'
    tell('POWERDOWN', {})
    tell('SHUTDOWN', { guest: byGuest, reason: byGuest ? 'guest-shutdown' : 'host-qmp-quit' })
    tell('STOP', {})
  }
  const execute = (command: string, wanted: Record<string, unknown>): unknown => {
    switch (command) {
      case 'qmp_capabilities':
        return {}
      case 'cont':
        if (state === 'prelaunch' && !memory.isLoaded) serial.write(bootOutput)
        if (state !== 'shutdown') state = 'running'
        return {}
      case 'stop':
        if (state === 'running') state = 'paused'
        return {}
      case 'query-status':
        return { status: state, running: state === 'running', singlestep: false }
      case 'query-cpus-fast':
        return vcpuThreads.map((thread, index) => ({ 'cpu-index': index, 'thread-id': thread }))
      case 'system_powerdown':
        // A guest with an operating system heeds it, a moment later.
        setImmediate(() => powerOff(true))
        return {}
      case 'system_reset':
        return {}
      case 'ringbuf-read':
      case 'chardev-change':
      case 'query-chardev':
        return serial.execute(command, wanted)
      case 'quit':
        setImmediate(end)
        return {}
      case 'device_del':
        // The guest lets go a moment later.
        setImmediate(() => tell('DEVICE_DELETED', { device: blocks.removeDevice(String(wanted['id'])) }))
        return {}
      case 'snapshot-save':
      case 'snapshot-load':
      case 'query-jobs':
      case 'job-dismiss':
        return memory.execute(command, wanted, { isPrelaunch: state === 'prelaunch', tell })
      default:
        return blocks.execute(command, wanted)
    }
  }

  const answer = async (command: string, wanted: Record<string, unknown>) => {
    try {
      return { return: await execute(command, wanted) }
    } catch (thrown) {
      if (thrown instanceof QemuRefusal) return { error: { class: 'GenericError', desc: thrown.message } }
      throw thrown
    }
  }

  world.files.place(pidFile, { content: new TextEncoder().encode(`${run.pid}\n`), uid: run.uid })
  world.files.place(qmpPath, { kind: 'socket', uid: run.uid })
  world.sockets.listen(qmpPath, {
    onConnect: (peer) => {
      peers.add(peer)
      peer.send(
        JSON.stringify({ QMP: { version: { qemu: { major: 7, minor: 2, micro: 0 } }, capabilities: [] } }),
      )
      // One after the other, as QEMU does.
      let inTurn = Promise.resolve()
      return {
        onClose: () => peers.delete(peer),
        onLine: (line) => {
          const { execute: command, id, arguments: wanted = {} } = JSON.parse(line) as Asked
          inTurn = inTurn.then(async () => {
            peer.send(JSON.stringify({ id, ...(await answer(command, wanted)) }))
          })
        },
      }
    },
  })
  return {
    pid: run.pid,
    affinity,
    serial,
    powerOff: () => powerOff(true),
    crash: end,
    get memory() {
      return memory.content
    },
    set memory(content: string) {
      memory.content = content
    },
  }
}

function findProblem(world: QemuWorld, args: readonly string[], uid: number): string | undefined {
  const hardware = findHardwareProblem(args)
  if (hardware !== undefined) return hardware
  const paths = new Set(world.files.paths())
  for (const blockdev of argumentsOf(args, '-blockdev')) {
    const path = /driver=file,filename=([^,]+)/.exec(blockdev)?.[1]
    if (path !== undefined && !paths.has(path)) return `Could not open '${path}': No such file or directory`
  }
  for (const netdev of argumentsOf(args, '-netdev')) {
    const tap = /ifname=([^,]+)/.exec(netdev)?.[1] ?? ''
    const link = world.network.links('').find((one) => one.name === tap)
    if (link?.tapUser !== uid) return `could not configure /dev/net/tun (${tap}): Operation not permitted`
    if (link.isMultiQueue !== netdev.includes(',queues=')) {
      return `could not configure /dev/net/tun (${tap}): Invalid argument`
    }
  }
  const drivers = world.sysfs.drivers()
  for (const device of argumentsOf(args, '-device')) {
    const address = /^vfio-pci,.*host=([^,]+)/.exec(device)?.[1]
    if (address !== undefined && drivers[address] !== 'vfio-pci') {
      return `vfio ${address}: error getting device from group: it is not bound to vfio-pci`
    }
  }
  return undefined
}

function argumentOf(args: readonly string[], flag: string): string {
  const value = args[args.indexOf(flag) + 1]
  if (!args.includes(flag) || value === undefined) throw new Error(`The fake QEMU needs ${flag}.`)
  return value
}

function argumentsOf(args: readonly string[], flag: string): readonly string[] {
  return args.filter((_, index) => args[index - 1] === flag)
}
