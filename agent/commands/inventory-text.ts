// What an agent sees, for people. Pure: facts in, text out.
import { findAccelerator, type KnownAccelerator } from '../../proto/accelerators.ts'
import { renderCpuList } from '../../proto/cpu-list.ts'
import {
  Accelerator,
  type CpuCell,
  type Fabric,
  type HostFacts,
  type PciDevice,
} from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { guestAcceleratorsOf, pciIdOf } from '../inventory/guest-accelerators.ts'
import { acceleratorColumns, type DeviceColumn, otherColumns } from './device-columns.ts'
import { renderTable } from './text-table.ts'
import { renderBytes, renderGib } from './units.ts'

export function renderInventory(facts: HostFacts, named: readonly KnownAccelerator[] = []): string {
  const sections: readonly (readonly [title: string, text: string])[] = [
    ['Machine', renderMachine(facts)],
    ['Cells', renderCells(facts.cells)],
    [
      'Accelerators',
      renderDevices(facts.devices, acceleratorColumns(named)) + renderPartitions(facts, named),
    ],
    ...(facts.fabric ? [['Partitions', renderFabric(facts.fabric)] as const] : []),
    ['Other devices', renderDevices(facts.otherDevices, otherColumns)],
    ['Warnings', facts.warnings.map(({ code, message }) => `  ${code}: ${message}\n`).join('')],
  ]
  return sections.map(([title, text]) => `${title}\n${text === '' ? '  none\n' : text}`).join('\n')
}

function renderMachine(facts: HostFacts): string {
  const { virtualization } = facts
  const guests = virtualization?.accelerator === Accelerator.KVM ? 'KVM' : 'emulated'
  const qemu = virtualization?.qemuVersion ? `QEMU ${virtualization.qemuVersion}` : 'no QEMU'
  const uplinks = facts.uplinks.map((one) => `${one.interface} (${one.physicalNetwork}, MTU ${one.mtu})`)
  const fields = [
    ['host', `${facts.hostname}, ${facts.architecture}, Linux ${facts.kernel}`],
    ['guests', `${guests}, ${qemu}. ${virtualization?.reason ?? ''}`.trimEnd()],
    ['CPUs', `${facts.allocatableVcpus} for guests, of ${facts.cpus}`],
    ['memory', `${renderGib(facts.allocatableMemoryMib)} for guests, of ${renderGib(facts.memoryMib)}`],
    ['disk', `${facts.allocatableDiskGb} GB for guests, of ${facts.diskGb} GB`],
    ['features', facts.features.join(', ') || 'none'],
    ['uplinks', uplinks.join(', ') || 'none'],
  ] as const
  return fields.map(([name, value]) => `  ${name.padEnd(8)}  ${value}\n`).join('')
}

function renderCells(cells: readonly CpuCell[]): string {
  const rows = cells.map(({ numaNode, cores, memoryMib, hugepages }) => [
    String(numaNode),
    String(cores.length),
    renderCpuList(cores.flatMap(({ cpus }) => cpus)),
    renderGib(memoryMib),
    hugepages
      .map(({ pageKib, pages, freePages }) => `${freePages}/${pages} of ${renderBytes(pageKib * 1024n)}`)
      .join(', ') || 'none',
  ])
  return renderTable(['NODE', 'CORES', 'CPUS', 'MEMORY', 'HUGE PAGES FREE'], rows)
}

function renderDevices(devices: readonly PciDevice[], columns: readonly DeviceColumn[]): string {
  if (devices.length === 0) return ''
  return renderTable(
    columns.map(([head]) => head),
    devices.map((device) => columns.map(([, render]) => render(device))),
  )
}

/** Of which a guest gets one; GPUs with their modules. */
function renderFabric({ partitions, modules }: Fabric): string {
  const moduleOf = (address: string) => modules.find((one) => one.address === address)?.moduleId
  return renderTable(
    ['ID', 'GPUS', 'ADDRESSES (MODULES)'],
    partitions.map(({ id, addresses }) => [
      String(id),
      String(addresses.length),
      addresses.map((address) => `${address} (${moduleOf(address) ?? '?'})`).join(' '),
    ]),
  )
}

/** A line for each type whose devices NVSwitches join. */
function renderPartitions(facts: HostFacts, named: readonly KnownAccelerator[]): string {
  const types = guestAcceleratorsOf(facts, named).map((device) => findAccelerator(pciIdOf(device), named))
  return [...new Set(types)]
    .flatMap((known) =>
      known?.partitionSizes === undefined
        ? []
        : `  ${known.type}: joined by NVSwitches; a guest gets ${known.partitionSizes.join(', ')} of them\n`,
    )
    .join('')
}
