// Partitions of NVSwitches from guest to guest, over the real driver and the real journal on a model of Fabric Manager.
import { beforeEach, describe, expect, it } from 'vitest'
import { Devices } from '../../../agent/device/devices.ts'
import { Fabric } from '../../../agent/device/fabric.ts'
import { createFabricManager } from '../../../agent/drivers/fabric/fmpm.ts'
import { createSysfsPassthrough } from '../../../agent/drivers/passthrough/sysfs-passthrough.ts'
import { createDirectWrites } from '../../../agent/drivers/passthrough/writes.ts'
import { FakeExec } from '../../../agent/host/fake/fake-exec.ts'
import { boardOf, FakeFabric, type FakeFabricOptions } from '../../../agent/host/fake/fake-fabric.ts'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { FakeProcesses } from '../../../agent/host/fake/fake-processes.ts'
import { FakeSysfs } from '../../../agent/host/fake/fake-sysfs.ts'
import { fmpmProgram, nvidiaSmiProgram } from '../../../agent/host/fake/program-fmpm.ts'
import { parseShape } from '../../../agent/host/fake/shape.ts'
import type { Exec } from '../../../agent/host/ports.ts'
import { createJournal } from '../../../agent/journal/journal.ts'
import { silentLogger } from '../../../lib/log.ts'
import { DeviceState } from '../../../proto/gen/berth/agent/v1/device_pb.ts'
import { createEagerClock } from '../instance/eager-clock.ts'
import { gpuAddresses } from '../plan/hgx-host.ts'

const program = '/usr/bin/fmpm'
const directories = { state: '/var/lib/berth', run: '/run/berth' }
/** Partition 3, of modules 1 and 3, and partition 4, of modules 2 and 4. */
const [pair, otherPair] = [
  ['0000:5b:00.0', '0000:6b:00.0'],
  ['0000:7b:00.0', '0000:8b:00.0'],
]

let files: FakeFiles
let processes: FakeProcesses
let switches: FakeFabric
/** The host's own driver has the GPUs. */
let isDriverThere: boolean
let losesLists: boolean
let nowMs = 0
/** Before and after each program and each write of the journal. */
let onCall: () => Promise<void> | void

const build = (options: Partial<FakeFabricOptions> = {}) =>
  new FakeFabric({ ...boardOf(gpuAddresses), ...options })

beforeEach(async () => {
  files = new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
  await files.makeDirectory(directories.state)
  processes = new FakeProcesses('boot-1')
  switches = build()
  isDriverThere = true
  losesLists = false
  onCall = () => {}
})

async function startFabric(moduleIds?: ReadonlyMap<number, string>): Promise<Fabric> {
  const programs = new FakeExec({
    [program]: fmpmProgram(switches, { losesLists }),
    'nvidia-smi': nvidiaSmiProgram(switches, () => isDriverThere),
  })
  const around = async <Value>(work: () => Promise<Value>): Promise<Value> => {
    await onCall()
    const value = await work()
    await onCall()
    return value
  }
  const exec: Exec = {
    run: (file, args, options) => around(() => programs.run(file, args, options)),
    start: (file, args, options) => programs.start(file, args, options),
    follow: (file, args, listeners) => programs.follow(file, args, listeners),
  }
  const journal = createJournal({ files, directories })
  const fabric = new Fabric({
    manager: createFabricManager({ exec, settings: { program } }),
    moduleIds,
    journal: { ...journal, writeFabric: (record) => around(() => journal.writeFabric(record)) },
    ...{ processes, log: silentLogger },
    clock: { ...createEagerClock(), monotonicMs: () => nowMs },
  })
  await fabric.recover()
  return fabric
}

const lookLater = (fabric: Fabric) => {
  nowMs += 10_000
  return fabric.look()
}

const messages = (fabric: Fabric) => [
  ...new Set([...fabric.troubles().values()].map(({ message }) => message)),
]

describe('a partition', () => {
  it('is active while a guest with exactly its GPUs has it', async () => {
    const fabric = await startFabric()
    await fabric.requirePartition('one', pair)
    await fabric.activate('one', pair.toReversed())
    expect(switches.isInitialized(pair)).toBe(true)
    await fabric.activate('one', pair)
    await fabric.activate('two', otherPair)
    expect(switches.active()).toEqual([3, 4])
    await fabric.release('one')
    await fabric.release('one')
    expect([switches.active(), switches.routed()]).toEqual([[4], [4]])
    expect(fabric.troubles().size).toBe(0)
  })

  it('is one guest’s: none that shares a GPU with it goes to another', async () => {
    const fabric = await startFabric()
    await fabric.activate('one', pair)
    for (const work of ['requirePartition', 'activate'] as const) {
      await expect(fabric[work]('two', pair.slice(0, 1))).rejects.toMatchObject({
        reason: 'PARTITION_IN_USE',
        message: 'Partition 7 shares GPUs with partition 3, which instance one has.',
      })
    }
    expect(switches.active()).toEqual([3])
  })

  it('is refused for GPUs that are none, with those that would do', async () => {
    const fabric = await startFabric()
    await expect(fabric.requirePartition('one', ['0000:5b:00.0', '0000:7b:00.0'])).rejects.toMatchObject({
      reason: 'NO_PARTITION',
      message:
        "GPUs 0000:5b:00.0, 0000:7b:00.0 are no partition of this host's NVSwitches, and CUDA would not start on them. Of 2 there are 3 (0000:5b:00.0, 0000:6b:00.0); 4 (0000:7b:00.0, 0000:8b:00.0); 5 (0000:1b:00.0, 0000:2b:00.0); 6 (0000:3b:00.0, 0000:4b:00.0).",
    })
    await expect(fabric.activate('one', gpuAddresses.slice(0, 3))).rejects.toThrow(
      /There are partitions of 1, 2, 4, 8\./,
    )
    expect(switches.routed()).toEqual([])
  })

  it('that somebody else has activated is told of its GPUs, and left alone', async () => {
    switches.activate(3)
    const fabric = await startFabric()
    expect([...fabric.troubles().keys()]).toEqual(pair)
    expect(messages(fabric)).toEqual([
      'Partition 3 of the NVSwitches is active and no guest of this host has it: where nothing uses its GPUs, deactivate it (fmpm -d 3).',
    ])
    await expect(fabric.activate('one', pair)).rejects.toMatchObject({ reason: 'PARTITION_IN_USE' })
    await fabric.activate('two', otherPair)
    expect(switches.active()).toEqual([3, 4])
    switches.deactivate(3)
    await fabric.activate('one', pair)
  })

  it('is nobody’s after a reboot of the host', async () => {
    await (await startFabric()).activate('one', pair)
    processes = new FakeProcesses('boot-2')
    switches = build()
    const fabric = await startFabric()
    expect(switches.active()).toEqual([])
    await fabric.release('one')
    await fabric.activate('one', pair)
    expect(switches.routed()).toEqual([3])
  })
})

describe('a GPU', () => {
  it('is known by its module for good, once the host’s own driver has said it', async () => {
    await startFabric()
    isDriverThere = false
    const later = await startFabric()
    expect(later.facts().partitions).toHaveLength(15)
    await later.activate('one', pair)
    expect(switches.routed()).toEqual([3])
  })

  it('is unknown where nobody says it, and the sentence says who can', async () => {
    isDriverThere = false
    const fabric = await startFabric()
    expect(fabric.facts().partitions).toEqual([])
    await expect(fabric.requirePartition('one', pair)).rejects.toThrow(
      /modules 1, 2, 3, 4, 5, 6, 7, 8 of the NVSwitches' board is not known.*fabricManager\.moduleIds/,
    )
    isDriverThere = true
    expect((await startFabric()).facts().partitions).toHaveLength(15)
  })

  it('is known by the operator, who is right against the driver', async () => {
    const swapped = new Map([...switches.options.addresses].map(([id, address]) => [(id % 8) + 1, address]))
    const fabric = await startFabric(swapped)
    expect(fabric.facts().partitions[7]?.addresses).toEqual([switches.options.addresses.get(8)])
  })

  it('is known by Fabric Manager itself on boards before H100', async () => {
    isDriverThere = false
    switches = build({ tellsAddresses: true })
    const fabric = await startFabric()
    expect(fabric.facts().partitions[3]).toMatchObject({ id: 3, addresses: pair })
  })
})

describe('a Fabric Manager that was restarted', () => {
  it('is told what guests have, and the switches let them through all the while', async () => {
    const fabric = await startFabric()
    await fabric.activate('one', pair)
    await fabric.activate('two', otherPair)
    switches.stop()
    switches.start()
    expect([switches.active(), switches.routed()]).toEqual([[], [3, 4]])
    await lookLater(fabric)
    expect([switches.active(), switches.routed()]).toEqual([
      [3, 4],
      [3, 4],
    ])
    expect(fabric.troubles().size).toBe(0)
    await fabric.release('one')
    expect(switches.routed()).toEqual([4])
  })

  it('while no agent was there is told by the next', async () => {
    await (await startFabric()).activate('one', pair)
    switches.stop()
    switches.start()
    await startFabric()
    expect(switches.active()).toEqual([3])
  })

  it('while nobody had a partition is told so by whoever comes first', async () => {
    const fabric = await startFabric()
    switches.stop()
    switches.start()
    await fabric.activate('one', pair)
    expect(switches.active()).toEqual([3])
  })

  it('right before its guest ends gives up the partition all the same', async () => {
    const fabric = await startFabric()
    await fabric.activate('one', pair)
    switches.stop()
    switches.start()
    await fabric.release('one')
    expect([switches.active(), switches.routed()]).toEqual([[], []])
  })

  it('without resilience has its partitions activated anew once it is ready', async () => {
    switches = build({ isResilient: false })
    const fabric = await startFabric()
    await fabric.activate('one', pair)
    switches.stop()
    switches.start()
    expect(switches.isInitialized(pair)).toBe(false)
    await lookLater(fabric)
    expect(messages(fabric).join()).toContain('it still initializes')
    switches.finishInitializing()
    await lookLater(fabric)
    expect(switches.isInitialized(pair)).toBe(true)
    expect(fabric.troubles().size).toBe(0)
  })

  it('by a tool that loses the list keeps new guests away, and lets go of each that ends', async () => {
    losesLists = true
    const fabric = await startFabric()
    await fabric.activate('one', pair)
    switches.stop()
    switches.start()
    await lookLater(fabric)
    expect(messages(fabric).join()).toMatch(
      /guests have its partitions 3, and does not list them as active.*--set-activated-list/,
    )
    await expect(fabric.activate('two', otherPair)).rejects.toMatchObject({ name: 'FabricError' })
    expect(switches.routed()).toEqual([3])
    await fabric.release('one')
    expect([switches.active(), switches.routed()]).toEqual([[], []])
    await lookLater(fabric)
    expect(fabric.troubles().size).toBe(0)
    await fabric.activate('two', otherPair)
  })
})

describe('a Fabric Manager that does not run', () => {
  it('keeps every GPU from guests, with its reason, until it runs', async () => {
    await startFabric()
    switches.stop()
    const fabric = await startFabric()
    expect(fabric.facts().partitions).toHaveLength(15)
    expect([...fabric.troubles().keys()].toSorted()).toEqual(gpuAddresses)
    expect(messages(fabric)).toEqual([
      'Fabric Manager did not list its partitions: it does not run: start nvidia-fabricmanager. No guest gets the GPU until that is right again; those that run go on.',
    ])
    expect(fabric.warnings().map(({ code }) => code)).toEqual(['FABRIC_UNREACHABLE'])
    await expect(fabric.requirePartition('one', pair)).rejects.toMatchObject({ reason: 'FABRIC_UNREACHABLE' })
    switches.start()
    await lookLater(fabric)
    expect(fabric.troubles().size).toBe(0)
    expect(fabric.warnings()).toEqual([])
  })

  it('has its free GPUs told of once, and again when it runs', async () => {
    const sysfs = new FakeSysfs(parseShape('8xnvidia-h100-80gb'))
    const devices = new Devices({
      fabric: await startFabric(),
      passthrough: createSysfsPassthrough({
        sysfs,
        writes: createDirectWrites({ sysfs }),
        ...{ files, log: silentLogger },
      }),
      journal: createJournal({ files, directories }),
      ...{ processes, clock: createEagerClock(), log: silentLogger },
    })
    await devices.recover()
    let told: string[] = []
    devices.onObservation(({ address, state, reason }) => told.push(`${address} ${state} ${reason}`))
    const lookTwice = async () => {
      told = []
      for (let look = 0; look < 2; look += 1) {
        nowMs += 10_000
        await devices.look()
      }
      return told.toSorted()
    }
    expect(await lookTwice()).toEqual([])
    switches.stop()
    const { QUARANTINED, FREE } = DeviceState
    expect(await lookTwice()).toEqual(gpuAddresses.map((one) => `${one} ${QUARANTINED} FABRIC_UNHEALTHY`))
    expect(devices.observations()).toHaveLength(8)
    switches.start()
    expect(await lookTwice()).toEqual(gpuAddresses.map((one) => `${one} ${FREE} `))
    devices.close()
  })

  it('leaves a guest’s partition noted until it can be given up', async () => {
    const fabric = await startFabric()
    await fabric.activate('one', pair)
    switches.stop()
    await expect(fabric.release('one')).rejects.toMatchObject({ reason: 'FABRIC_UNREACHABLE' })
    switches.start()
    await fabric.release('one')
    expect([switches.active(), switches.routed()]).toEqual([[], []])
  })
})

/** An agent that ends at any program and at any write goes nowhere; the next one finds what it has noted. */
describe('an agent that is killed', () => {
  async function atEachCall(work: {
    before?: (fabric: Fabric) => Promise<void>
    dies: (fabric: Fabric) => Promise<void>
    meanwhile?: () => void
    after: (next: Fabric) => Promise<void>
  }): Promise<void> {
    for (let step = 1; ; step += 1) {
      const first = await startFabric()
      await work.before?.(first)
      let calls = 0
      onCall = () => {
        calls += 1
        return calls >= step ? new Promise(() => {}) : undefined
      }
      const progress = { isDone: false }
      void work.dies(first).then(() => {
        progress.isDone = true
      })
      await expect.poll(() => progress.isDone || calls >= step).toBe(true)
      onCall = () => {}
      work.meanwhile?.()
      const next = await startFabric()
      await work.after(next)
      await next.activate('two', pair)
      expect(switches.isInitialized(pair)).toBe(true)
      await next.release('two')
      expect([switches.active(), switches.routed(), next.troubles().size]).toEqual([[], [], 0])
      if (progress.isDone) return
    }
  }

  it('while it activates: the next one has the partition active, once', () =>
    atEachCall({
      dies: (fabric) => fabric.activate('one', pair),
      after: async (next) => {
        await next.activate('one', pair)
        expect([switches.active(), switches.isInitialized(pair)]).toEqual([[3], true])
        await next.release('one')
      },
    }))

  it('while it activates: the next one gives up what nobody knows to be active', () =>
    atEachCall({
      dies: (fabric) => fabric.activate('one', pair),
      after: (next) => next.release('one'),
    }))

  it('while it gives up, and Fabric Manager is restarted: the partition is given up', () =>
    atEachCall({
      before: (fabric) => fabric.activate('one', pair),
      dies: (fabric) => fabric.release('one'),
      meanwhile: () => {
        switches.stop()
        switches.start()
      },
      after: (next) => next.release('one'),
    }))
})
