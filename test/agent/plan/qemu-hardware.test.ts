import { describe, expect, it } from 'vitest'
import { planGuestHardware } from '../../../agent/plan/guest-hardware.ts'
import type { HostHardware } from '../../../agent/plan/host-hardware.ts'
import { instancePaths } from '../../../agent/plan/paths.ts'
import { planPinned } from '../../../agent/plan/pinned.ts'
import { renderQemuArgs } from '../../../agent/plan/qemu-args.ts'
import { Firmware, type InstanceSpec } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { expectGolden } from '../../support/golden.ts'
import { guestOfGpus, hgxHost, toldIn } from './hgx-host.ts'

const directories = { state: '/var/lib/berth', run: '/run/berth' }

function argsOf(spec: InstanceSpec, accelerator: 'kvm' | 'tcg', hardware: HostHardware | undefined) {
  const pinned = planPinned(spec, { machineType: 'pc-q35-7.2', accelerator, runAsUid: 200_000 }, hardware)
  const planned = planGuestHardware({ spec, pinned, hardware })
  const paths = instancePaths(directories, spec.uid)
  return renderQemuArgs({ spec, pinned, paths, ...(planned ? { hardware: planned } : {}) })
}

const linesOf = (args: readonly string[]) => `${args.join('\n').replaceAll(/\n(?!-)/g, ' ')}\n`
const optionOf = (args: readonly string[], flag: string) => args[args.indexOf(flag) + 1]

describe('the machine of a guest with passed-through GPUs', () => {
  it.each([1, 2, 4, 8])('mirrors the host for %d of them', (count) => {
    expectGolden(`qemu-hgx-${count}-kvm.txt`, linesOf(argsOf(guestOfGpus(count), 'kvm', hgxHost())))
  })

  it('is made of small pages where the host has no others, and emulated where it has no KVM', () => {
    const hardware = hgxHost({ hasHugepages: false })
    expectGolden('qemu-hgx-8-small-pages-tcg.txt', linesOf(argsOf(guestOfGpus(8), 'tcg', hardware)))
  })

  it('says nothing of cells that the host does not name, and keeps root complexes apart', () => {
    const hardware = hgxHost({ isNumaKnown: false })
    expectGolden('qemu-hgx-4-unknown-numa-kvm.txt', linesOf(argsOf(guestOfGpus(4), 'kvm', hardware)))
  })

  it('is in the cell that the scheduler has chosen, away from its GPUs', () => {
    const args = argsOf(toldIn(guestOfGpus(2), 1), 'kvm', hgxHost())
    expectGolden('qemu-hgx-2-other-cell-kvm.txt', linesOf(args))
  })

  it('boots by UEFI where its image says so, told how much room its BARs need', () => {
    const spec = guestOfGpus(1, 0, { firmware: Firmware.UEFI })
    expectGolden('qemu-hgx-1-uefi-kvm.txt', linesOf(argsOf(spec, 'kvm', hgxHost())))
  })

  it('is as ever where nothing is known of the host, or no GPU is passed through', () => {
    expect(argsOf(guestOfGpus(0), 'kvm', hgxHost())).toEqual(argsOf(guestOfGpus(0), 'kvm', undefined))
    expect(argsOf(guestOfGpus(8), 'kvm', undefined).join(' ')).not.toMatch(
      /pxb|numa|memory-backend|phys-bits/,
    )
  })

  it('shows threads to the guest of an AMD host', () => {
    const cpu = (cpuVendor: string) => optionOf(argsOf(guestOfGpus(1), 'kvm', hgxHost({ cpuVendor })), '-cpu')
    expect(cpu('AuthenticAMD')).toBe('host,host-phys-bits=on,topoext=on')
    expect(cpu('GenuineIntel')).toBe('host,host-phys-bits=on')
  })

  it('has the two GPUs of two switches in one cell behind two root buses of it', () => {
    const spec = guestOfGpus(2, 5)
    const expanders = argsOf(spec, 'kvm', hgxHost()).filter((arg) => arg.startsWith('pxb-pcie'))
    expect(expanders.map((arg) => /numa_node=\d+/.exec(arg)?.[0])).toEqual(['numa_node=0', 'numa_node=0'])
  })
})
