import { toJson } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { FakeExec } from '../../../agent/host/fake/fake-exec.ts'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { type InventorySettings, readHostFacts } from '../../../agent/inventory/host-facts.ts'
import { type HostFacts, HostFactsSchema } from '../../../proto/gen/berth/agent/v1/host_pb.ts'
import { recordedSysfs } from './recorded-sysfs.ts'

const gibibyte = 1024 ** 3

const machineHelp = [
  'Supported machines are:',
  'pc                   Standard PC (i440FX + PIIX, 1996) (alias of pc-i440fx-7.2)',
  'q35                  Standard PC (Q35 + ICH9, 2009) (alias of pc-q35-7.2)',
  'pc-q35-7.2           Standard PC (Q35 + ICH9, 2009)',
].join('\n')

function programs(host: { kvmOpens: boolean; filtersVlans: boolean; qemu: boolean }) {
  const qemu = (args: readonly string[]) => ({
    stdout: args[0] === '--version' ? 'QEMU emulator version 7.2.22 (Debian 1:7.2+dfsg-7)\n' : machineHelp,
  })
  return new FakeExec({
    dd: () => ({ code: host.kvmOpens ? 0 : 1 }),
    unshare: () => ({ code: host.filtersVlans ? 0 : 2 }),
    ...(host.qemu && { 'qemu-system-x86_64': qemu }),
  })
}

async function filesWith(options: { totalGb: number; diskSizes: readonly number[] }) {
  const files = new FakeFiles({ totalBytes: options.totalGb * gibibyte, nowMs: () => 0 })
  await files.makeDirectory('/var/lib/berth/instances/a')
  options.diskSizes.forEach((sizeBytes, index) => {
    files.place(`/var/lib/berth/instances/a/disk${index}.qcow2`, { sizeBytes })
  })
  return files
}

const settings: InventorySettings = {
  accelerator: 'auto',
  qemuProgram: 'qemu-system-x86_64',
  stateDirectory: '/var/lib/berth',
}

async function smallVm(more: Partial<InventorySettings> = {}, qemu = true): Promise<HostFacts> {
  return readHostFacts({
    exec: programs({ kvmOpens: true, filtersVlans: false, qemu }),
    files: await filesWith({ totalGb: 100, diskSizes: [] }),
    sysfs: recordedSysfs('small-vm'),
    machine: async () => ({
      hostname: 'vm',
      architecture: 'x86_64',
      kernel: '6.1.0',
      cpus: 2,
      memoryMib: 24105,
    }),
    settings: { ...settings, ...more },
  })
}

async function hgx(more: Partial<InventorySettings> = {}): Promise<HostFacts> {
  return readHostFacts({
    exec: programs({ kvmOpens: true, filtersVlans: true, qemu: true }),
    files: await filesWith({ totalGb: 28000, diskSizes: [500 * gibibyte] }),
    sysfs: recordedSysfs('hgx-h100'),
    machine: async () => ({
      hostname: 'gpu-1',
      architecture: 'x86_64',
      kernel: '6.1.0',
      cpus: 224,
      memoryMib: 2 * 1024 * 1024,
    }),
    settings: { ...settings, ...more },
  })
}

const codes = (facts: HostFacts) => facts.warnings.map((warning) => warning.code)

describe('a small virtual machine', () => {
  it('offers all of its few CPUs and keeps some memory and disk', async () => {
    const facts = await smallVm()
    expect(facts).toMatchObject({ allocatableVcpus: 2, allocatableMemoryMib: 21694, allocatableDiskGb: 95 })
    expect(facts.devices).toEqual([])
  })

  it('emulates although /dev/kvm opens, and says why', async () => {
    const facts = await smallVm()
    expect(toJson(HostFactsSchema, facts)).toMatchObject({
      virtualization: { accelerator: 'ACCELERATOR_TCG', qemuVersion: '7.2.22' },
    })
    expect(facts.virtualization?.reason).toContain('neither vmx nor svm')
    expect(codes(facts)).toEqual(['EMULATED_GUESTS', 'NO_VLANS'])
    expect(facts.features).toEqual([])
  })

  it('uses KVM where the operator insists, with a warning', async () => {
    const facts = await smallVm({ accelerator: 'kvm' })
    expect(facts.features).toEqual(['kvm'])
    expect(codes(facts)).toContain('KVM_UNPROVEN')
  })

  it('says that QEMU is missing', async () => {
    const facts = await smallVm({}, false)
    expect(facts.virtualization?.qemuVersion).toBe('')
    expect(codes(facts)).toContain('QEMU_MISSING')
  })

  it('keeps what the operator says', async () => {
    const facts = await smallVm({ reservedCpus: 1, reservedMemoryMib: 105, reservedDiskGb: 40 })
    expect(facts).toMatchObject({ allocatableVcpus: 1, allocatableMemoryMib: 24000, allocatableDiskGb: 60 })
  })
})

describe('a host that the operator makes a gateway', () => {
  const gateway = { allowedRanges: [], deniedRanges: [], nameServers: [] }

  it('says so where it has the interface and the kernel translates addresses', async () => {
    const facts = await hgx({ gateway: { ...gateway, interface: 'eth1' } })
    expect(facts.features).toContain('nat-gateway')
    expect(codes(facts)).not.toContain('NO_GATEWAY')
  })

  it('warns where it has not, or the kernel does not', async () => {
    const without = await hgx({ gateway: { ...gateway, interface: 'eth9' } })
    expect(without.features).not.toContain('nat-gateway')
    expect(codes(without)).toContain('NO_GATEWAY')
    const unable = await smallVm({ gateway: { ...gateway, interface: 'lo' } })
    expect(codes(unable)).toContain('NO_GATEWAY')
  })
})

describe('a host with eight GPUs', () => {
  it('names each with its place, and no network card or switch', async () => {
    const { devices } = await hgx()
    expect(devices.filter((device) => device.vendorId === '10de').length).toBe(8)
    expect(devices.map((device) => device.class)).not.toContain('020700')
    expect(devices.find((device) => device.address === '0000:1b:00.0')).toMatchObject({
      vendorId: '10de',
      deviceId: '2330',
      class: '030200',
      numaNode: 0,
      iommuGroup: '40',
      driver: 'vfio-pci',
    })
    expect(devices.find((device) => device.address === '0000:ce:00.0')).toMatchObject({
      numaNode: 1,
      iommuGroup: '47',
      driver: '',
    })
    expect(devices.find((device) => device.class === '030000')).toMatchObject({ numaNode: -1, driver: 'ast' })
  })

  it('has every feature and one trouble', async () => {
    const facts = await hgx()
    expect(facts.features).toEqual([
      ...['kvm', 'iommu', 'hugepages-1g', 'vhost-net', 'vlan', 'stateful-filter', 'rate-limit'],
    ])
    expect(codes(facts)).toEqual(['BRIDGE_CALLS_IPTABLES'])
  })

  it('keeps some CPUs and memory, and counts what guests have written as theirs', async () => {
    expect(await hgx()).toMatchObject({
      allocatableVcpus: 220,
      allocatableMemoryMib: 2 * 1024 * 1024 - 32 * 1024,
      diskGb: 28000n,
      allocatableDiskGb: 27900,
    })
  })
})
