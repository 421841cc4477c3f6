// libvirt's filter `clean-traffic`, as it guards a guest of libvirt's, bound to a port of ours: to be measured against.
import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import type { PortPlan } from '../../../../agent/drivers/network/port.ts'
import { startLibvirt } from '../../../support/libvirt.ts'
import { missingOf } from '../../../support/needs.ts'
import { program } from './guest-namespace.ts'

const needs = { root: true, programs: ['libvirtd', 'virsh', 'ebtables', 'iptables'] }

const virsh = (...words: readonly string[]) => program('virsh', ['-q', '-c', 'qemu:///system', ...words])

/** Why it can't be measured here; undefined where it can. */
export const whyNoLibvirt = (): string | undefined => missingOf(needs)

/** Runs the work while the filter is at the port, then takes it off, and libvirt down where it was not running. */
export async function underCleanTraffic<Result>(
  port: PortPlan,
  work: () => Promise<Result>,
): Promise<Result> {
  const stop = await startLibvirt()
  const folder = mkdtempSync(join(tmpdir(), 'berth-clean-traffic-'))
  const binding = join(folder, 'binding.xml')
  writeFileSync(binding, renderBinding(port))
  const tables = readTables()
  try {
    virsh('nwfilter-binding-create', binding)
    try {
      return await work()
    } finally {
      virsh('nwfilter-binding-delete', port.tap)
    }
  } finally {
    await stop()
    // ebtables makes the tables it fills, and leaves them empty.
    for (const table of readTables()) {
      if (!tables.includes(table)) program('nft', ['delete', ...table.split(' ')])
    }
    rmSync(folder, { recursive: true })
  }
}

const readTables = () => program('nft', ['list', 'tables']).trim().split('\n')

const renderBinding = ({ tap, instanceUid, macAddress, ipv4Address }: PortPlan) => `
<filterbinding>
  <owner><name>guest</name><uuid>${instanceUid}</uuid></owner>
  <portdev name='${tap}'/>
  <mac address='${macAddress}'/>
  <filterref filter='clean-traffic'><parameter name='IP' value='${ipv4Address}'/></filterref>
</filterbinding>
`
