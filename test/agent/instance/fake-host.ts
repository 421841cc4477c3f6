// The host as the drivers' ports show it: strict about what rests on what, and able to fail or to lose its agent at any
// one call. What it holds is compared before and after.
import { Devices } from '../../../agent/device/devices.ts'
import { Fabric } from '../../../agent/device/fabric.ts'
import type { DiskDriver } from '../../../agent/drivers/disk/port.ts'
import { createFabricManager } from '../../../agent/drivers/fabric/fmpm.ts'
import { findByPidFile } from '../../../agent/drivers/hypervisor/pid-file.ts'
import {
  type GuestEnd,
  type GuestHandle,
  type GuestPlan,
  type HypervisorDriver,
  HypervisorError,
} from '../../../agent/drivers/hypervisor/port.ts'
import type { MetadataDocument, MetadataDriver } from '../../../agent/drivers/metadata/port.ts'
import type { NetworkDriver } from '../../../agent/drivers/network/port.ts'
import type { PassthroughDriver } from '../../../agent/drivers/passthrough/port.ts'
import { FakeExec } from '../../../agent/host/fake/fake-exec.ts'
import { FakeFabric } from '../../../agent/host/fake/fake-fabric.ts'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { FakeProcesses } from '../../../agent/host/fake/fake-processes.ts'
import { fmpmProgram, nvidiaSmiProgram } from '../../../agent/host/fake/program-fmpm.ts'
import type { Exec, Sysfs } from '../../../agent/host/ports.ts'
import { Firewalls } from '../../../agent/instance/firewalls.ts'
import { HardwareUse } from '../../../agent/instance/hardware-use.ts'
import { Members } from '../../../agent/instance/members.ts'
import { NetworkUse } from '../../../agent/instance/network-use.ts'
import type { InstancePorts } from '../../../agent/instance/ports.ts'
import { createJournal, type Journal } from '../../../agent/journal/journal.ts'
import type { HostHardware } from '../../../agent/plan/host-hardware.ts'
import { silentLogger } from '../../../lib/log.ts'
import { createEagerClock } from './eager-clock.ts'

export const directories = { state: '/var/lib/berth', run: '/run/berth' }

export interface Fault {
  /** Which of the agent's calls, counted from 1. */
  readonly call: number
  readonly when: 'before' | 'after'
  /** `crash`: the agent never gets an answer to this call or to any later one. */
  readonly how: 'fail' | 'crash'
}

export class FakeHost {
  readonly files = new FakeFiles({ totalBytes: 1e12, nowMs: () => 0 })
  processes = new FakeProcesses('boot-1')
  readonly clock = createEagerClock()
  readonly networks = new Set<string>()
  readonly listening = new Set<string>()
  readonly documents = new Map<string, MetadataDocument>()
  /** Tap → network. */
  readonly taps = new Map<string, string>()
  readonly drivers = new Map([['0000:3b:00.0', 'nvidia']])
  /** NVSwitches that join its GPUs; none where absent. */
  switches: FakeFabric | undefined
  readonly #states = new Map<number, 'prelaunch' | 'running' | 'paused' | 'powered-off'>()
  /** What each guest has in memory: the boot that it comes from. */
  readonly #memories = new Map<number, string>()
  readonly #saved = new Map<string, { readonly memory: string; readonly disksAt: number }>()
  #boots = 0
  /** Disks move on whenever vCPUs may run. */
  #disksAt = 0
  /** A disk with no room for memory. */
  refusesMemory = false
  readonly #owners = new Map<number, number>()
  readonly #watchers = new Map<number, (end: GuestEnd) => void>()
  /** A guest that does nothing when its button is pressed. */
  ignoresPowerButton = false
  resets = 0
  /** What is read of its cells and devices; nothing where absent. */
  hardware: HostHardware | undefined
  lastStart: GuestPlan | undefined
  seedDisksWritten = 0
  /** What was plugged in while the guest ran, with the size that it was grown to. */
  readonly guestDisks = new Map<string, number>()
  /** A machine that takes no disk, and a guest that lets go of none. */
  refusesDisks = false
  /** A kernel that lets no port into a bridge. */
  refusesPorts = false
  networksBuilt = 0
  /** Which calls they were. */
  readonly portCalls: number[] = []

  /** Everything that must be gone again once no instance is here. */
  holdings(): object {
    return {
      networks: [...this.networks],
      listening: [...this.listening],
      documents: [...this.documents.keys()],
      taps: [...this.taps.keys()],
      drivers: Object.fromEntries(this.drivers),
      partitions: [this.switches?.active() ?? [], this.switches?.routed() ?? []],
      processes: this.processes.names(),
      files: this.files.paths().filter((path) => /\/(instances|guests)\/./.test(path)),
    }
  }

  /** Of the guest whose vCPUs run. */
  runningMemory(): string | undefined {
    const [pid] = this.guestPids().filter((one) => this.#states.get(one) === 'running')
    return pid === undefined ? undefined : this.#memories.get(pid)
  }

  guestPids(): number[] {
    return [...this.#states.keys()]
  }

  /** As the guest itself does it. */
  powerOffGuest(): void {
    for (const pid of this.#states.keys()) {
      this.#states.set(pid, 'powered-off')
      this.#watchers.get(pid)?.({ kind: 'powered-off' })
    }
  }

  /** As the out-of-memory killer does it. */
  killGuest(): void {
    for (const pid of this.guestPids()) {
      this.#end(pid)
      this.#watchers.get(pid)?.({ kind: 'crashed', message: 'its process is gone.' })
    }
  }

  reboot(): void {
    this.processes = new FakeProcesses('boot-2')
    this.#states.clear()
    this.#watchers.clear()
    this.networks.clear()
    this.listening.clear()
    this.taps.clear()
    this.drivers.set('0000:3b:00.0', 'nvidia')
    if (this.switches) this.switches = new FakeFabric(this.switches.options)
  }

  /** What one agent acts through, until its fault. */
  portsFor(fault?: Fault): { ports: InstancePorts; calls: () => number } {
    let calls = 0
    let deathCall: number | undefined
    const isDead = () => deathCall !== undefined
    const call = async <Value>(effect: () => Value | Promise<Value>): Promise<Value> => {
      calls += 1
      const isFaulty = calls === fault?.call
      const strike = (when: Fault['when']) => {
        if (!isFaulty || fault.when !== when) return
        if (fault.how === 'fail') throw new Error('The planned fault.')
        deathCall = calls
      }
      strike('before')
      if (isDead()) return new Promise<Value>(() => {})
      const value = await effect()
      strike('after')
      return isDead() ? new Promise<Value>(() => {}) : value
    }
    const network = this.#network(call, () => calls)
    const metadata = this.#metadata(call)
    const firewalls = new Firewalls({
      journal: this.#journal(call, fault),
      clock: this.clock,
      log: silentLogger,
    })
    const members = new Members({ journal: this.#journal(call, fault), log: silentLogger })
    const ports: InstancePorts = {
      network,
      metadata,
      networkUse: new NetworkUse({ network, metadata, firewalls, members }),
      firewalls,
      members,
      disk: this.#disk(call),
      hypervisor: this.#hypervisor(call),
      devices: new Devices({
        passthrough: this.#passthrough(call),
        fabric: this.#fabric(call, fault),
        journal: this.#journal(call, fault),
        ...{ processes: this.processes, clock: this.clock, log: silentLogger },
      }),
      journal: this.#journal(call, fault),
      files: this.files,
      sysfs: this.#sysfs(),
      processes: this.processes,
      clock: this.clock,
      log: silentLogger,
      directories,
      machine: {
        program: 'qemu-system-x86_64',
        machineType: 'pc-q35-7.2',
        accelerator: 'tcg',
        slownessWarning: '',
      },
      hardwareUse: new HardwareUse({
        read: async () => this.hardware,
        log: silentLogger,
        journal: createJournal({ files: this.files, directories }),
      }),
    }
    return { ports, calls: () => calls }
  }

  #network(call: Call, calls: () => number): NetworkDriver {
    return {
      namespaceOf: (uid) => `berth-${uid}`,
      ensureNetwork: ({ uid }) =>
        call(() => {
          this.networksBuilt += 1
          this.networks.add(uid)
        }),
      ensureMembers: (uid) =>
        call(() => require(this.networks.has(uid), `members of ${uid} without their network`)),
      ensurePort: ({ tap, network }) =>
        call(() => {
          this.portCalls.push(calls())
          require(this.networks.has(network.uid), `port ${tap} without its network`)
          require(!this.refusesPorts, 'this kernel takes no ports')
          this.taps.set(tap, network.uid)
        }),
      findTroubles: async () => [],
      findDeadServices: async () => [],
      removePort: ({ tap }) => call(() => void this.taps.delete(tap)),
      removeNetwork: (uid) =>
        call(() => {
          require(![...this.taps.values()].includes(uid), `network ${uid} removed under a port`)
          this.networks.delete(uid)
        }),
    }
  }

  #metadata(call: Call): MetadataDriver {
    const key = (networkUid: string, address: string) => `${networkUid} ${address}`
    return {
      ensureListening: (uid) =>
        call(() => {
          require(this.networks.has(uid), 'metadata without its network')
          this.listening.add(uid)
        }),
      listenSoon: (uid) => void this.listening.add(uid),
      stopListening: (uid) => call(() => void this.listening.delete(uid)),
      publish: (uid, address, document) => call(() => void this.documents.set(key(uid, address), document)),
      withdraw: (uid, address) => call(() => void this.documents.delete(key(uid, address))),
    }
  }

  #disk(call: Call): DiskDriver {
    return {
      ensureImage: () =>
        call(() => ({ path: '/images/a', gid: 500, format: 'raw' as const, virtualBytes: 1024 })),
      ensureBlob: () => call(() => ({ path: '/images/b', gid: 501 })),
      ensureDisk: ({ path, owner }) =>
        call(async () => {
          await this.files.makeDirectory(path.slice(0, path.lastIndexOf('/')))
          this.files.place(path, owner)
        }),
      writeSeedDisk: ({ path, owner }) =>
        call(() => {
          this.seedDisksWritten += 1
          this.files.place(path, owner)
        }),
      removeSeedDisk: (path) => call(() => this.files.remove(path)),
    }
  }

  #hypervisor(call: Call): HypervisorDriver {
    const stateOf = (handle: GuestHandle) => this.#states.get(handle.process.pid)
    return {
      start: (plan) =>
        call(async () => {
          require(this.guestPids().length === 0, 'the guest runs twice')
          require(this.taps.size === 1 && this.documents.size === 1, 'a guest before its port and metadata')
          this.lastStart = plan
          const { spec, paths } = plan.machine
          const hasDevice = spec.gpus.length > 0
          require(!hasDevice || this.drivers.get('0000:3b:00.0') === 'vfio-pci', 'a guest before its device')
          const isJoined = this.switches?.isInitialized(['0000:3b:00.0']) ?? true
          require(!hasDevice || isJoined, 'a guest before its partition')
          const { identity } = this.processes.begin('qemu')
          this.files.place(paths.pidFile, { content: new TextEncoder().encode(`${identity.pid}\n`) })
          this.#states.set(identity.pid, 'prelaunch')
          this.#owners.set(identity.pid, plan.runAs.uid)
          await this.#load(identity.pid, plan.memory)
          this.#letRun(identity.pid)
          const { endTimeoutMs } = plan
          return { instanceUid: spec.uid, paths, uid: plan.runAs.uid, endTimeoutMs, process: identity }
        }),
      find: (place) => findByPidFile({ ...this, sysfs: this.#sysfs() }, place),
      status: (handle) => call(() => ({ kind: stateOf(handle) ?? ('gone' as const) })),
      watch: (handle, onEnd) => {
        this.#watchers.set(handle.process.pid, onEnd)
        return () => this.#watchers.delete(handle.process.pid)
      },
      resume: (handle) =>
        call(() => {
          if (stateOf(handle) === 'paused') this.#letRun(handle.process.pid)
        }),
      saveMemory: (handle, memoryPath) =>
        call(() => {
          const { pid } = handle.process
          require(this.files.paths().includes(memoryPath), 'memory without its file')
          this.#states.set(pid, 'paused')
          if (this.refusesMemory) throw new HypervisorError('DISK_FULL', 'The host has no room.')
          this.#saved.set(memoryPath, { memory: this.#memories.get(pid) ?? '', disksAt: this.#disksAt })
        }),
      powerDown: (handle) =>
        call(() => {
          require(stateOf(handle) === 'running', 'the button of a guest that stands still')
          if (!this.ignoresPowerButton) this.#states.set(handle.process.pid, 'powered-off')
        }),
      reset: (handle) =>
        call(() => {
          require(stateOf(handle) === 'running', 'a guest that does not run reset')
          this.resets += 1
        }),
      plugDisk: (handle, { disk: { deviceName }, path }) =>
        call(() => {
          require(stateOf(handle) === 'running', 'a disk for a guest that does not run')
          if (this.refusesDisks) throw new HypervisorError('PLUG_REFUSED', 'QEMU refused device_add: no.')
          require(this.files.paths().includes(path), `${deviceName} without its file`)
          this.guestDisks.set(deviceName, 0)
        }),
      unplugDisk: (_handle, { deviceName }) =>
        call(() => {
          if (this.refusesDisks) throw new HypervisorError('UNPLUG_REFUSED', 'The guest did not answer.')
          this.guestDisks.delete(deviceName)
        }),
      resizeDisk: (_handle, { deviceName, sizeBytes }) =>
        call(() => void this.guestDisks.set(deviceName, sizeBytes)),
      readSerial: () => call(() => new Uint8Array()),
      openSerial: async () => {
        throw new Error('Consoles are tried over the fake QEMU.')
      },
      closeSerial: () => call(() => {}),
      kill: (handle) => call(() => this.#end(handle.process.pid)),
    }
  }

  #passthrough(call: Call): PassthroughDriver {
    return {
      isPresent: (address) => call(() => this.drivers.has(address)),
      readDriver: (address) => call(() => this.drivers.get(address) ?? ''),
      readHealth: () => call(() => ({ vendorId: '10de', deviceId: '2330', resources: '', linkWidth: '16' })),
      requireBindable: () => call(() => {}),
      reset: (address) =>
        call(() => {
          require(this.guestPids().length === 0, 'a device reset under a guest that runs')
          require(this.drivers.get(address) === 'vfio-pci', "a device reset under the host's driver")
          require(!this.switches?.isInitialized([address]), 'a device reset while its partition is active')
        }),
      scrub: () => call(() => false),
      verify: () => call(() => {}),
      ensureBound: (address) => call(() => void this.drivers.set(address, 'vfio-pci')),
      ensureReleased: (address, former) =>
        call(() => {
          require(this.guestPids().length === 0, 'a device taken from a guest that runs')
          this.drivers.set(address, former)
        }),
    }
  }

  #fabric(call: Call, fault: Fault | undefined): Fabric | undefined {
    const { switches } = this
    if (!switches) return undefined
    const fmpm = fmpmProgram(switches)
    const programs = new FakeExec({
      '/usr/bin/fmpm': (args, stdin) => {
        require(args[0] !== '-d' || this.guestPids().length === 0, 'a partition taken from a guest that runs')
        return fmpm(args, stdin)
      },
      'nvidia-smi': nvidiaSmiProgram(switches, (address) => this.drivers.get(address) === 'nvidia'),
    })
    const exec: Exec = {
      run: (file, args, options) => call(() => programs.run(file, args, options)),
      start: (file, args, options) => programs.start(file, args, options),
      follow: (file, args, listeners) => programs.follow(file, args, listeners),
    }
    return new Fabric({
      manager: createFabricManager({ exec, settings: { program: '/usr/bin/fmpm' } }),
      journal: this.#journal(call, fault),
      ...{ processes: this.processes, clock: this.clock, log: silentLogger },
    })
  }

  /** An agent can die around a write; that one fails is another test's. */
  #journal(call: Call, fault: Fault | undefined): Journal {
    const journal = createJournal({ files: this.files, directories })
    if (fault?.how === 'fail') return journal
    return {
      ...journal,
      writeDevice: (record) => call(() => journal.writeDevice(record)),
      writeFabric: (record) => call(() => journal.writeFabric(record)),
      writeInstance: (record) => call(() => journal.writeInstance(record)),
      removeFiles: (uid) => call(() => journal.removeFiles(uid)),
      removeInstance: (uid) => call(() => journal.removeInstance(uid)),
    }
  }

  #sysfs(): Sysfs {
    return {
      read: async (path) => {
        const pid = Number(/^proc\/(\d+)\/status$/.exec(path)?.[1])
        const owner = this.#owners.get(pid)
        return owner === undefined ? undefined : `Uid:\t${owner}\t${owner}\t${owner}\t${owner}`
      },
      list: async () => [],
      readLinkName: async () => undefined,
      readLink: async () => undefined,
      readBytes: async () => undefined,
      write: async (path) => {
        throw new Error(`Nothing here writes ${path}.`)
      },
    }
  }

  async #load(pid: number, memory: GuestPlan['memory']): Promise<void> {
    if (memory === undefined) {
      this.#boots += 1
      this.#memories.set(pid, `boot ${this.#boots}`)
      return
    }
    const saved = this.#saved.get(memory.path)
    require(this.files.paths().includes(memory.path) && saved !== undefined, 'memory that is not there')
    require(saved?.disksAt === this.#disksAt, 'memory that is older than the disks')
    this.#memories.set(pid, saved?.memory ?? '')
    await memory.onLoaded()
  }

  #letRun(pid: number): void {
    this.#states.set(pid, 'running')
    this.#disksAt += 1
  }

  #end(pid: number): void {
    this.#states.delete(pid)
    this.processes.end(pid)
  }
}

type Call = <Value>(effect: () => Value | Promise<Value>) => Promise<Value>

function require(condition: boolean, otherwise: string): void {
  if (!condition) throw new Error(`The fake host refuses: ${otherwise}.`)
}
