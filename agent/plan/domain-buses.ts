// PCI buses of a guest in libvirt's words. libvirt knows a bus by a number of its own, which the guest never sees: that is
// chosen here; where a port and what is behind it lie is pinned.
import type { Pinned } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { placeOf, rootBusOf } from './pinned-slots.ts'
import { busNumberOf, chassisOf } from './qemu-hardware.ts'
import { type Element, element } from './xml.ts'

const expandersOf = ({ hardware }: Pinned) => hardware?.rootBuses ?? []

/** Root buses first, for a port stands on one that is there already. 0 is the chipset's. */
const busOf = (pinned: Pinned, index: number) => expandersOf(pinned).length + index + 1

/** Where the device sits that the slot is pinned for: alone behind its port. */
export function deviceAddress(pinned: Pinned, device: string): Element {
  const index = pinned.slots.findIndex((one) => one.device === device)
  if (index < 0) throw new Error(`The pinned machine has no slot for ${device}.`)
  return pciAddress({ bus: busOf(pinned, index), slot: 0 })
}

export function busControllers(pinned: Pinned): readonly Element[] {
  const { mmio64Mib = 0n } = pinned.hardware ?? {}
  const controller = (index: number, model: string, ...children: readonly (Element | undefined)[]) =>
    element('controller', { type: 'pci', index, model }, ...children)
  return [
    controller(
      0,
      'pcie-root',
      mmio64Mib === 0n ? undefined : element('pcihole64', { unit: 'KiB' }, String(mmio64Mib * 1024n)),
    ),
    ...expandersOf(pinned).map(({ slot, cell }, index) =>
      controller(
        index + 1,
        'pcie-expander-bus',
        element(
          'target',
          { busNr: busNumberOf(index) },
          cell === 0 ? undefined : element('node', {}, String(cell - 1)),
        ),
        pciAddress({ bus: 0, slot }),
      ),
    ),
    ...pinned.slots.map(({ slot }, index) =>
      controller(
        busOf(pinned, index),
        'pcie-root-port',
        element('target', { chassis: chassisOf(slot), port: 0 }),
        pciAddress({ bus: rootBusOf(slot), slot: placeOf(slot) }),
      ),
    ),
  ]
}

/** libvirt has no word for a port's own number, after which guests name what is behind it. */
export const portNumbers = (pinned: Pinned): readonly Element[] =>
  pinned.slots.map(({ slot }, index) =>
    element(
      'qemu:device',
      { alias: `pci.${busOf(pinned, index)}` },
      element('qemu:frontend', {}, element('qemu:property', { name: 'slot', type: 'unsigned', value: slot })),
    ),
  )

export const pciAddress = ({ bus, slot }: { bus: number; slot: number }) =>
  element('address', { type: 'pci', domain: 0, bus, slot, function: 0 })
