import { toJson } from '@bufbuild/protobuf'
import { describe, expect, it } from 'vitest'
import { type InventorySettings, readHostFacts } from '../../../agent/inventory/host-facts.ts'
import { type HostFacts, HostFactsSchema } from '../../../proto/gen/berth/agent/v1/host_pb.ts'
import { fixtureOptions } from './fixture-hosts.ts'

const gibibyte = 1024 ** 3

const smallVm = async (settings: Partial<InventorySettings> = {}, hasQemu = true): Promise<HostFacts> =>
  readHostFacts(await fixtureOptions('small-vm', { settings, host: { hasQemu } }))

const hgx = async (settings: Partial<InventorySettings> = {}): Promise<HostFacts> =>
  readHostFacts(await fixtureOptions('hgx-h100', { settings, diskSizes: [500 * gibibyte] }))

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
    expect(facts.features).toEqual(['nvme-disks'])
  })

  it('uses KVM where the operator insists, with a warning', async () => {
    const facts = await smallVm({ accelerator: 'kvm' })
    expect(facts.features).toEqual(['kvm', 'nvme-disks'])
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

describe('a host without NUMA', () => {
  it('is one cell', async () => {
    const { cells } = await smallVm()
    expect(cells.map(({ cores, memoryMib }) => [cores[0]?.cpus, cores.length, memoryMib])).toEqual([
      [[0, 1], 1, 24_105n],
    ])
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
    expect([...new Set(devices.map((device) => device.class))].sort()).toEqual(['030000', '030200'])
    expect(devices.find((device) => device.address === '0000:1b:00.0')).toMatchObject({
      vendorId: '10de',
      deviceId: '2330',
      class: '030200',
      numaNode: 0,
      iommuGroup: '27',
      driver: 'vfio-pci',
    })
    expect(devices.find((device) => device.address === '0000:df:00.0')).toMatchObject({
      numaNode: 1,
      iommuGroup: '97',
      driver: '',
    })
    expect(devices.find((device) => device.class === '030000')).toMatchObject({ numaNode: -1, driver: 'ast' })
  })

  it('tells of windows, link, resets and the way to the root complex', async () => {
    const { devices } = await hgx()
    const window = { is64Bit: true, isPrefetchable: true, isIo: false }
    expect(devices.find((device) => device.address === '0000:1b:00.0')).toMatchObject({
      iommuGroupOthers: [],
      bridges: ['0000:15:01.0', '0000:16:00.0', '0000:17:02.0'],
      bars: [
        { index: 0, sizeBytes: BigInt(16 * 1024 ** 2), ...window },
        { index: 2, sizeBytes: BigInt(128 * gibibyte), ...window },
        { index: 4, sizeBytes: BigInt(32 * 1024 ** 2), ...window },
      ],
      link: { currentSpeed: '32.0 GT/s PCIe', currentLanes: 16, maximumLanes: 16 },
      resetMethods: ['flr', 'bus'],
    })
  })

  it('knows NVSwitches, NICs and disks, and leaves the chipset out', async () => {
    const { otherDevices } = await hgx()
    const counted = Object.groupBy(otherDevices, (device) => `${device.vendorId}:${device.deviceId}`)
    expect(Object.fromEntries(Object.entries(counted).map(([id, found]) => [id, found?.length]))).toEqual({
      '10de:22a3': 4,
      '15b3:1021': 10,
      '144d:a824': 8,
      '8086:1bcd': 1,
    })
    expect(otherDevices.find((device) => device.address === '0000:29:00.0')?.sriov).toMatchObject({
      ...{ totalFunctions: 16, functions: 0, physicalFunction: '' },
    })
  })

  it('tells of each cell: cores, memory and huge pages', async () => {
    const { cells, allocatableVcpus, allocatableMemoryMib } = await hgx()
    const sumOf = (of: (cell: (typeof cells)[number]) => number) =>
      cells.reduce((sum, cell) => sum + of(cell), 0)
    expect(sumOf((cell) => cell.allocatableVcpus)).toBe(allocatableVcpus)
    expect(sumOf((cell) => cell.allocatableMemoryMib)).toBe(allocatableMemoryMib)
    expect(cells.map(({ numaNode, cores, memoryMib }) => [numaNode, cores.length, memoryMib])).toEqual([
      [0, 56, 1_048_576n],
      [1, 56, 1_048_576n],
    ])
    expect(cells[1]?.cores[0]?.cpus).toEqual([56, 168])
    expect(cells[0]?.hugepages).toMatchObject([
      { pageKib: 2048n, pages: 0n },
      { pageKib: 1_048_576n, pages: 960n, freePages: 960n },
    ])
  })

  it('has every feature and one trouble', async () => {
    const facts = await hgx()
    expect(facts.features).toEqual([
      ...['kvm', 'nvme-disks', 'iommu', 'hugepages-1g', 'vhost-net', 'vlan', 'stateful-filter', 'rate-limit'],
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
