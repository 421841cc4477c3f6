// The fake QEMU takes what is planned, and refuses what the real one would.
import { describe, expect, it } from 'vitest'
import { findHardwareProblem, vcpusOf } from '../../../agent/host/fake/qemu-hardware.ts'
import { planGuestHardware } from '../../../agent/plan/guest-hardware.ts'
import { instancePaths } from '../../../agent/plan/paths.ts'
import { planPinned } from '../../../agent/plan/pinned.ts'
import { renderQemuArgs } from '../../../agent/plan/qemu-args.ts'
import { Firmware } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { guestOfGpus, hgxHost } from '../plan/hgx-host.ts'

function argsOf(count: number, hardware = hgxHost(), image?: { firmware: Firmware }): readonly string[] {
  const spec = guestOfGpus(count, 0, image)
  const pinned = planPinned(spec, { machineType: 'q35', accelerator: 'kvm', runAsUid: 1 }, hardware)
  const planned = planGuestHardware({ spec, pinned, hardware })
  const paths = instancePaths({ state: '/s', run: '/r' }, spec.uid)
  return renderQemuArgs({ spec, pinned, paths, ...(planned ? { hardware: planned } : {}) })
}

describe('the fake QEMU', () => {
  it.each([1, 2, 4, 8])('takes the planned machine of %d GPUs', (count) => {
    expect(findHardwareProblem(argsOf(count))).toBeUndefined()
    expect(findHardwareProblem(argsOf(count, hgxHost({ isNumaKnown: false })))).toBeUndefined()
    expect(vcpusOf(argsOf(count))).toBe(22 * count)
  })

  it('takes a machine with UEFI, and none whose flash is not there', () => {
    const args = argsOf(1, hgxHost(), { firmware: Firmware.UEFI })
    expect(findHardwareProblem(args)).toBeUndefined()
    const lost = args.map((arg) => arg.replace('pflash1=firmware-variables', 'pflash1=other'))
    expect(findHardwareProblem(lost)).toContain("can't find value 'other'")
  })

  it.each([
    ['threads=2', 'threads=3', 'Invalid CPU topology'],
    ['id=cell1,size=819200M', 'id=cell1,size=819201M', 'multiple of the page size'],
    ['id=cell1,size=819200M', 'id=cell1,size=409600M', 'should equal RAM size'],
    ['memdev=cell1', 'memdev=cell2', "memory backend 'cell2' not found"],
    ['memdev=cell1', 'memdev=cell0', 'in use already'],
    ['cpus=88-175', 'cpus=88-174', 'not present in any NUMA nodes'],
    ['policy=bind', 'policy=bind,quota=1', "'memory-backend-memfd.quota' not found"],
    ['pci-hole64-size', 'pci-hole65-size', 'invalid class name'],
    ['numa_node=1', 'numa_node=2', 'Illegal numa node 2'],
    ['bus=root1', 'bus=root9', "Bus 'root9' not found"],
    ['addr=0xd,bus_nr=48', 'addr=0xc,bus_nr=48', 'slot is in use already'],
    ['bus_nr=48', 'bus_nr=32', 'bus number is in use already'],
    ['slot=33', 'slot=32', "Can't add chassis slot"],
    ['bus=root1,chassis=32,slot=33,addr=0x1', 'bus=root1,chassis=32,slot=33,addr=0x21', "doesn't take value"],
    ['host=0000:2b:00.0,bus=port33', 'host=0000:2b:00.0,bus=port32', 'already occupied'],
  ])('refuses %s as %s', (from, to, problem) => {
    const args = argsOf(8).map((arg) => arg.replace(from, to))
    expect(args).not.toEqual(argsOf(8))
    expect(findHardwareProblem(args)).toContain(problem)
  })
})
