import { describe, expect, it } from 'vitest'
import { instancePaths } from '../../../agent/plan/paths.ts'
import { planPinned } from '../../../agent/plan/pinned.ts'
import { renderQemuArgs } from '../../../agent/plan/qemu-args.ts'
import type { InstanceSpec } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { expectGolden } from '../../support/golden.ts'
import { directories, eightGpus, manyDisks, seeded, small } from './guest-machines.ts'

function argsOf(spec: InstanceSpec, accelerator: 'kvm' | 'tcg', commandLine?: string): readonly string[] {
  const pinned = planPinned(spec, { machineType: 'pc-q35-7.2', accelerator, runAsUid: 200_000 })
  const directKernel =
    commandLine === undefined ? {} : { directKernel: { kernelPath: '/k', initrdPath: '/i', commandLine } }
  return renderQemuArgs({ spec, pinned, paths: instancePaths(directories, spec.uid), ...directKernel })
}

/** An option and its value on a line. */
const linesOf = (args: readonly string[]) => `${args.join('\n').replaceAll(/\n(?!-)/g, ' ')}\n`

describe('the command line of a guest', () => {
  it.each([true, false])('lets the kernel carry its frames where it can: %s', (hasVhost) => {
    const pinned = planPinned(manyDisks, { machineType: 'pc-q35-7.2', accelerator: 'kvm', runAsUid: 200_000 })
    const paths = instancePaths(directories, manyDisks.uid)
    const netdev = renderQemuArgs({ spec: manyDisks, pinned, paths, hasVhost }).filter((arg) =>
      arg.startsWith('tap,'),
    )
    expect(netdev).toEqual([expect.stringContaining(`,vhost=${hasVhost ? 'on' : 'off'},queues=4`)])
  })

  it.each([
    ['qemu-small-tcg.txt', argsOf(small, 'tcg', 'console=ttyS0')],
    ['qemu-seed-disk-kvm.txt', argsOf(seeded, 'kvm')],
    ['qemu-many-disks-kvm.txt', argsOf(manyDisks, 'kvm')],
    ['qemu-eight-gpus-kvm.txt', argsOf(eightGpus, 'kvm')],
  ])('is that of %s', (name, args) => {
    expectGolden(name, linesOf(args))
  })

  it('leaves NICs that were pinned with one queue as they are', () => {
    const facts = { machineType: 'pc-q35-7.2', accelerator: 'kvm', runAsUid: 200_000 } as const
    const pinned = { ...planPinned(manyDisks, facts), nicQueues: 0 }
    const args = renderQemuArgs({ spec: manyDisks, pinned, paths: instancePaths(directories, manyDisks.uid) })
    expect(args.filter((arg) => /queues=|mq=|vectors=/.test(arg))).toEqual([])
    expect(argsOf(manyDisks, 'kvm').filter((arg) => /queues=4$|mq=on,vectors=10$/.test(arg))).toHaveLength(2)
  })

  it('keeps a comma within its value', () => {
    const odd = { state: '/var/lib/a,b', run: '/run/a,b' }
    const pinned = planPinned(small, { machineType: 'pc-q35-7.2', accelerator: 'tcg', runAsUid: 200_000 })
    const args = renderQemuArgs({ spec: small, pinned, paths: instancePaths(odd, small.uid) })
    expect(args.filter((arg) => /a,b/.test(arg))).toEqual([])
    expect(args.filter((arg) => arg.includes('a,,b')).length).toBeGreaterThan(1)
  })

  it('hands the kernel its command line as one word', () => {
    const args = argsOf(small, 'tcg', 'console=ttyS0 root="$(reboot)" a,b')
    expect(args[args.indexOf('-append') + 1]).toBe('console=ttyS0 root="$(reboot)" a,b')
  })

  it('puts every device behind a port of its own, and no port twice', () => {
    for (const spec of [small, seeded, manyDisks, eightGpus]) {
      const args = argsOf(spec, 'kvm')
      const ports = args.flatMap((arg) => /^pcie-root-port,id=([^,]+)/.exec(arg)?.[1] ?? [])
      const used = args.flatMap((arg) => /,bus=(port[^,]+)/.exec(arg)?.[1] ?? [])
      expect(new Set(ports).size).toBe(ports.length)
      expect(new Set(used).size).toBe(used.length)
      expect(ports).toEqual(expect.arrayContaining(used))
      expect(ports.length - used.length).toBe(8)
    }
  })
})
