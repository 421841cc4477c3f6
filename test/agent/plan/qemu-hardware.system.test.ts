// The real QEMU takes the machine that is planned, and its firmware finds room for every BAR. pci-testdev stands in for a
// GPU: a BAR of 128 GiB without any memory behind it.
import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdirSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { QmpClient } from '../../../agent/drivers/hypervisor/qmp-client.ts'
import { createLinuxSockets } from '../../../agent/host/linux-sockets.ts'
import { planGuestHardware } from '../../../agent/plan/guest-hardware.ts'
import type { HostHardware } from '../../../agent/plan/host-hardware.ts'
import { instancePaths } from '../../../agent/plan/paths.ts'
import { planPinned } from '../../../agent/plan/pinned.ts'
import { renderQemuArgs } from '../../../agent/plan/qemu-args.ts'
import { systemClock } from '../../../lib/clock.ts'
import { describeNeeding } from '../../support/needs.ts'
import { specOf } from '../drivers/hypervisor/guest-specs.ts'
import { gpuAddresses, hgxHost } from './hgx-host.ts'

const gib = 1024 ** 3

interface PciDevice {
  readonly qdev_id: string
  readonly regions: readonly { readonly size: number; readonly address: number }[]
  readonly pci_bridge?: { readonly bus: { readonly number: number }; readonly devices?: readonly PciDevice[] }
}

interface PciBus {
  readonly bus: number
  readonly devices: readonly PciDevice[]
}

describeNeeding({ programs: ['qemu-system-x86_64'] }, 'the planned machine under the real QEMU', () => {
  let folder: string
  let qemu: ChildProcess | undefined
  let monitor: QmpClient

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'berth-hardware-'))
  })

  afterEach(async () => {
    if (qemu && qemu.exitCode === null && qemu.signalCode === null) {
      qemu.kill('SIGKILL')
      await once(qemu, 'exit')
    }
    rmSync(folder, { recursive: true })
  })

  /** Of 8 GPUs. Every cell of the host's is this machine's only one. */
  async function start(hardware: HostHardware): Promise<void> {
    const gpus = gpuAddresses.map((address) => ({ address }))
    const spec = specOf({ vcpus: 4, memoryMib: 256, gpus })
    const paths = instancePaths({ state: join(folder, 'state'), run: join(folder, 'run') }, spec.uid)
    mkdirSync(paths.runDirectory, { recursive: true })
    const facts = { machineType: 'q35', accelerator: 'tcg', runAsUid: 0 } as const
    const pinned = planPinned(spec, facts, hardware)
    const planned = planGuestHardware({ spec, pinned, hardware })
    if (!planned) throw new Error('No hardware is planned.')
    const args = renderQemuArgs({ spec, pinned, paths, hardware: planned }).map((arg) =>
      arg
        .replace(/^vfio-pci,id=(\w+),host=[^,]+/, 'pci-testdev,id=$1,membar=128G')
        .replace('host-nodes=1', 'host-nodes=0'),
    )
    qemu = spawn('qemu-system-x86_64', args, { stdio: ['ignore', 'inherit', 'inherit'] })
    while (!existsSync(paths.qmpSocket)) await sleep(20)
    monitor = await QmpClient.open(await createLinuxSockets().connect(paths.qmpSocket), systemClock)
  }

  const ask = async <Answer>(command: string) => (await monitor.execute(command)) as Answer
  const buses = () => ask<readonly PciBus[]>('query-pci')
  const gpusOn = (bus: PciBus) =>
    bus.devices
      .flatMap(({ pci_bridge }) => pci_bridge?.devices ?? [])
      .filter(({ qdev_id }) => qdev_id.startsWith('gpu'))

  it('has its cells, its threads and its root buses', async () => {
    await start(hgxHost({ hasHugepages: false }))
    const memory =
      await ask<readonly { id: string; size: number; prealloc: boolean; policy: string }[]>('query-memdev')
    expect(memory.map(({ id, size, prealloc, policy }) => [id, size, prealloc, policy])).toEqual([
      ['cell0', 128 * 1024 ** 2, true, 'bind'],
      ['cell1', 128 * 1024 ** 2, true, 'bind'],
    ])
    const cpus = await ask<readonly { props: Record<string, number> }[]>('query-cpus-fast')
    expect(cpus.map(({ props }) => [props['node-id'], props['core-id'], props['thread-id']])).toEqual([
      [0, 0, 0],
      [0, 0, 1],
      [1, 0, 0],
      [1, 0, 1],
    ])
    expect((await buses()).map(({ bus }) => bus).toSorted((a, b) => a - b)).toEqual([0, 32, 48, 64, 80])
  })

  it('has each GPU under the root bus that stands for its own, and room for all BARs above 4 GiB', async () => {
    await start(hgxHost({ hasHugepages: false }))
    await monitor.execute('cont')
    const large = async () =>
      (await buses())
        .flatMap(gpusOn)
        .flatMap(({ regions }) => regions.filter(({ size }) => size === 128 * gib))
        .map(({ address }) => address)
    await expect
      .poll(async () => (await large()).filter((address) => address >= 4 * gib).length, { timeout: 60_000 })
      .toBe(8)
    const onBuses = (await buses()).map((bus) => [bus.bus, gpusOn(bus).map(({ qdev_id }) => qdev_id)])
    expect(new Map(onBuses as [number, string[]][])).toEqual(
      new Map([
        [0, []],
        [32, ['gpu0', 'gpu1']],
        [48, ['gpu2', 'gpu3']],
        [64, ['gpu4', 'gpu5']],
        [80, ['gpu6', 'gpu7']],
      ]),
    )
    const addresses = (await large()).toSorted((a, b) => a - b)
    expect(new Set(addresses.map((address) => address % (128 * gib)))).toEqual(new Set([0]))
    expect(new Set(addresses).size).toBe(8)
    // What `phys-bits` of the plan reach.
    expect(Math.max(...addresses) + 128 * gib).toBeLessThanOrEqual(2 ** 43)
  })

  it('has a single cell that is nowhere where the host names none', async () => {
    await start(hgxHost({ hasHugepages: false, isNumaKnown: false }))
    const memory = await ask<readonly { id: string; policy: string }[]>('query-memdev')
    expect(memory.map(({ id, policy }) => [id, policy])).toEqual([['cell0', 'default']])
    const numbers = (await buses()).map(({ bus }) => bus)
    expect(numbers.toSorted((a, b) => a - b)).toEqual([0, 32, 48, 64, 80])
  })
})
