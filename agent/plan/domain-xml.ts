// A guest's machine in libvirt's words. The guest sees the same one as from QEMU's own command line (qemu-args.ts): the same
// devices at the same places. Where libvirt has no word, QEMU's is handed through it, each with its reason.
import { busControllers, deviceAddress, portNumbers } from './domain-buses.ts'
import {
  deviceAlias,
  diskElement,
  findDiskProblem,
  scsiControllerElement,
  seedDiskElement,
  targetName,
} from './domain-disk.ts'
import { cpuElement, fillingAnywhere, memoryElements, pinningElement } from './domain-hardware.ts'
import { hasUefi, mmioHint, uefi } from './firmware.ts'
import { systemFacts } from './flavour.ts'
import type { MachinePlan } from './machine-plan.ts'
import { domainName, tapName } from './names.ts'
import { isScsi } from './pinned.ts'
import { hasSeedDisk } from './plan-instance.ts'
import { bootOrderOf } from './qemu-args.ts'
import { type Element, element, renderXml } from './xml.ts'

export interface DomainPlan {
  readonly machine: MachinePlan
  /** A path; where it is only a name, libvirt takes its own default. */
  readonly program: string
  readonly runAs: { readonly uid: number; readonly gid: number }
}

/** A sentence where libvirt can't make such a machine. */
export const findDomainProblem = ({ spec }: MachinePlan): string | undefined =>
  spec.disks.map(findDiskProblem).find((problem) => problem !== undefined)

export function renderDomain({ machine, program, runAs }: DomainPlan): string {
  const { spec, pinned } = machine
  const domain = element(
    'domain',
    {
      type: pinned.accelerator === 'kvm' ? 'kvm' : 'qemu',
      'xmlns:qemu': 'http://libvirt.org/schemas/domain/qemu/1.0',
    },
    element('name', {}, domainName(spec.uid)),
    element('uuid', {}, systemFacts(spec).uuid),
    element('memory', { unit: 'MiB' }, String(spec.memoryMib)),
    ...memoryElements(machine),
    element('vcpu', {}, String(spec.vcpus)),
    pinningElement(machine),
    systemInformation(machine),
    boot(machine),
    element('features', {}, element('acpi'), element('apic'), element('vmport', { state: 'off' })),
    cpuElement(machine),
    // libvirt ends QEMU with its guest, and says in its log why.
    element('on_poweroff', {}, 'destroy'),
    element('on_crash', {}, 'destroy'),
    element(
      'devices',
      {},
      program.startsWith('/') ? element('emulator', {}, program) : undefined,
      ...disks(machine),
      ...controllers(machine),
      ...spec.nics.map((_, index) => nic(machine, index)),
      ...serialPort(machine),
      ...spec.gpus.map((gpu, index) => passedThrough(machine, gpu.address, index)),
      element(
        'rng',
        { model: 'virtio' },
        element('backend', { model: 'random' }, '/dev/urandom'),
        deviceAddress(pinned, 'rng0'),
      ),
      element('memballoon', { model: 'none' }),
    ),
    // The guest's own user, who has its files already: libvirt changes no owner, least of all of what guests share.
    element(
      'seclabel',
      { type: 'static', model: 'dac', relabel: 'no' },
      element('label', {}, `+${runAs.uid}:+${runAs.gid}`),
    ),
    ...firmwareHint(machine),
    ...fillingAnywhere(machine),
    element('qemu:override', {}, ...portNumbers(pinned)),
  )
  return renderXml(domain)
}

function systemInformation({ spec }: MachinePlan): Element {
  const entries = Object.entries(systemFacts(spec)).map(([name, value]) => element('entry', { name }, value))
  return element('sysinfo', { type: 'smbios' }, element('system', {}, ...entries))
}

/** libvirt keeps the names of OVMF's own settings for itself, and sets none of them. */
function firmwareHint({ pinned }: MachinePlan): readonly Element[] {
  const hint = mmioHint(pinned)
  if (hint === undefined) return []
  const args = ['-fw_cfg', hint].map((value) => element('qemu:arg', { value }))
  return [element('qemu:commandline', {}, ...args)]
}

function boot({ pinned, paths, directKernel: files }: MachinePlan): Element {
  return element(
    'os',
    {},
    element('type', { arch: 'x86_64', machine: pinned.machineType }, 'hvm'),
    ...(hasUefi(pinned)
      ? [
          element('loader', { readonly: 'yes', secure: 'no', type: 'pflash' }, uefi.code),
          element('nvram', {}, paths.firmwareVariables),
        ]
      : []),
    ...(files
      ? [
          element('kernel', {}, files.kernelPath),
          element('initrd', {}, files.initrdPath),
          element('cmdline', {}, files.commandLine),
        ]
      : []),
    // A machine without a screen, whose firmware speaks on the serial port.
    element('bios', { useserial: 'yes' }),
    element('smbios', { mode: 'sysinfo' }),
  )
}

function disks({ spec, paths, pinned, bases }: MachinePlan): readonly Element[] {
  const scsiDisks = spec.disks.filter(isScsi)
  return [
    ...spec.disks.map((disk, index) => {
      const base = bases?.get(disk.deviceName)
      return diskElement({
        ...{ disk, pinned, path: paths.disk(disk), target: targetName(disk, index) },
        ...{ order: bootOrderOf(spec, disk), scsiTarget: scsiDisks.indexOf(disk) },
        ...(base ? { base } : {}),
      })
    }),
    ...(hasSeedDisk(spec)
      ? [seedDiskElement({ path: paths.seedDisk, pinned, target: targetName(undefined, spec.disks.length) })]
      : []),
  ]
}

const controllers = ({ pinned }: MachinePlan): readonly Element[] => [
  element('controller', { type: 'usb', model: 'none' }),
  ...busControllers(pinned),
  ...(pinned.slots.some(({ device }) => device === 'scsi0') ? [scsiControllerElement(pinned)] : []),
]

/** The tap is made and filtered already; libvirt opens it, and leaves it as it is. */
function nic({ spec, pinned, hasVhost }: MachinePlan, index: number): Element | undefined {
  const plan = spec.nics[index]
  if (!plan) return undefined
  const mtu = plan.network?.mtu
  return element(
    'interface',
    { type: 'ethernet' },
    element('mac', { address: plan.macAddress }),
    element('target', { dev: tapName(spec.uid, index), managed: 'no' }),
    element('model', { type: 'virtio' }),
    element('driver', {
      name: hasVhost ? 'vhost' : 'qemu',
      queues: pinned.nicQueues > 1 ? pinned.nicQueues : undefined,
    }),
    mtu ? element('mtu', { size: mtu }) : undefined,
    // Nothing boots from the network.
    element('rom', { enabled: 'no' }),
    element('alias', { name: deviceAlias(plan.name) }),
    deviceAddress(pinned, plan.name),
  )
}

/** A terminal of its own; what the guest writes is kept in files of a fixed size, whether somebody looks or not. */
const serialPort = ({ paths }: MachinePlan): readonly Element[] => [
  element(
    'serial',
    { type: 'pty' },
    element('log', { file: paths.serialStream, append: 'on' }),
    element('target', { type: 'isa-serial', port: 0 }),
  ),
  element('console', { type: 'pty' }, element('target', { type: 'serial', port: 0 })),
]

/** The agent binds devices to vfio-pci and takes them back. */
function passedThrough({ pinned }: MachinePlan, address: string, index: number): Element {
  const [domain, bus, slot, fn] = address.split(/[:.]/).map((part) => `0x${part}`)
  return element(
    'hostdev',
    { mode: 'subsystem', type: 'pci', managed: 'no' },
    element('driver', { name: 'vfio' }),
    element('source', {}, element('address', { domain, bus, slot, function: fn })),
    element('alias', { name: deviceAlias(`gpu${index}`) }),
    deviceAddress(pinned, `gpu${index}`),
  )
}
