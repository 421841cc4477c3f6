// The same guest by libvirt and by Incus, where they are installed.
import { execFile } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { promisify } from 'node:util'
import { bridgeName } from '../../agent/plan/names.ts'
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { whyNoLibvirt } from '../../test/agent/drivers/network/clean-traffic.ts'
import { startLibvirt } from '../../test/support/libvirt.ts'
import { missingOf } from '../../test/support/needs.ts'
import { median, timeOf } from '../figures.ts'
import { type BlankImage, memoryMib } from './guests.ts'

const run = promisify(execFile)

export type Others =
  | { readonly kind: 'measured'; readonly createMs: number; readonly removeMs: number }
  | { readonly kind: 'not-measured'; readonly why: string }

/** An overlay by qemu-img, then `virsh create` with its anti-spoofing filter, to compare what is alike. */
export async function measureLibvirt(options: {
  readonly directory: string
  readonly image: BlankImage
  readonly machineType: string
  readonly guest: () => InstanceSpec
  readonly runs: number
}): Promise<Others> {
  const why = whyNoLibvirt()
  if (why !== undefined) return { kind: 'not-measured', why: `libvirt is not there: it needs ${why}` }
  const stopLibvirt = await startLibvirt()
  const virsh = (...words: readonly string[]) => run('virsh', ['-q', '-c', 'qemu:///system', ...words])
  const removals: number[] = []
  try {
    const definition = join(options.directory, 'domain.xml')
    const disk = join(options.directory, 'libvirt.qcow2')
    const creates: number[] = []
    for (let turn = 0; turn < options.runs; turn += 1) {
      const spec = options.guest()
      writeFileSync(definition, renderDomain({ spec, disk, machineType: options.machineType }))
      const base = ['-u', '-F', 'raw', '-b', options.image.path]
      creates.push(
        await timeOf(1, async () => {
          await run('qemu-img', ['create', '-q', '-f', 'qcow2', ...base, disk, '1G'])
          await virsh('create', definition)
        }),
      )
      removals.push(await timeOf(1, () => virsh('destroy', spec.uid)))
    }
    return { kind: 'measured', createMs: median(creates), removeMs: median(removals) }
  } catch (thrown) {
    const said = thrown instanceof Error ? thrown.message.trim().split('\n').at(-1) : String(thrown)
    return { kind: 'not-measured', why: `libvirt is there and does not start the guest: ${said}` }
  } finally {
    await stopLibvirt()
  }
}

function renderDomain(domain: { spec: InstanceSpec; disk: string; machineType: string }): string {
  const { spec, disk, machineType } = domain
  const [nic] = spec.nics
  if (nic?.network === undefined) throw new Error('The guest has no network.')
  return `
<domain type='qemu'>
  <name>${spec.id}</name><uuid>${spec.uid}</uuid>
  <memory unit='MiB'>${memoryMib}</memory><vcpu>1</vcpu>
  <os><type arch='x86_64' machine='${machineType}'>hvm</type><boot dev='hd'/></os>
  <devices>
    <emulator>/usr/bin/qemu-system-x86_64</emulator>
    <disk type='file' device='disk'>
      <driver name='qemu' type='qcow2'/><source file='${disk}'/><target dev='vda' bus='virtio'/>
    </disk>
    <interface type='bridge'>
      <mac address='${nic.macAddress}'/><source bridge='${bridgeName(nic.network.uid)}'/><model type='virtio'/>
      <filterref filter='clean-traffic'><parameter name='IP' value='${nic.ipv4Address}'/></filterref>
    </interface>
    <serial type='null'/><rng model='virtio'><backend model='random'>/dev/urandom</backend></rng>
    <memballoon model='none'/>
  </devices>
</domain>`
}

/** Incus starts no guest without the volume and the profile of a set-up server: one that was set up is asked, no other. */
export async function measureIncus(runs: number): Promise<Others> {
  const missing = missingOf({ programs: ['incus'] })
  if (missing !== undefined) return { kind: 'not-measured', why: 'Incus is not installed' }
  const name = `berth-bench-${process.pid}`
  const [creates, removals]: [number[], number[]] = [[], []]
  try {
    for (let turn = 0; turn < runs; turn += 1) {
      const limits = ['--vm', '--empty', '-c', `limits.memory=${memoryMib}MiB`, '-c', 'limits.cpu=1']
      creates.push(
        await timeOf(1, async () => {
          await run('incus', ['init', name, ...limits])
          await run('incus', ['start', name])
        }),
      )
      removals.push(await timeOf(1, () => run('incus', ['delete', '--force', name])))
    }
    return { kind: 'measured', createMs: median(creates), removeMs: median(removals) }
  } catch (thrown) {
    const said = thrown instanceof Error ? thrown.message.trim().split('\n').at(-1) : String(thrown)
    return { kind: 'not-measured', why: `Incus is there and does not start the guest: ${said}` }
  }
}
