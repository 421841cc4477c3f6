import { expect, it } from 'vitest'
import { FakeExec, type FakeProgram } from '../../../agent/host/fake/fake-exec.ts'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { diagnoseHost } from '../../../agent/inventory/doctor.ts'
import { findLibvirtTroubles } from '../../../agent/inventory/libvirt-troubles.ts'
import { fixtureOptions } from './fixture-hosts.ts'

const succeed: FakeProgram = () => ({})
const virsh =
  (answers: boolean): FakeProgram =>
  (args) =>
    answers || args[0] === '--version'
      ? {}
      : { code: 1, stderr: 'error: failed to connect to the hypervisor' }

async function codes(programs: Record<string, FakeProgram>, settings = ''): Promise<readonly string[]> {
  const files = new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
  await files.makeDirectory('/etc/libvirt')
  await files.writeAtomic('/etc/libvirt/qemu.conf', settings)
  return (await findLibvirtTroubles({ exec: new FakeExec(programs), files })).map(({ code }) => code)
}

it('says what libvirt lacks', async () => {
  expect(await codes({})).toEqual(['PROGRAM_MISSING', 'PROGRAM_MISSING'])
  expect(await codes({ setfacl: succeed, virsh: virsh(false) })).toEqual(['LIBVIRT_SILENT'])
  expect(await codes({ setfacl: succeed, virsh: virsh(true) })).toEqual([])
})

it('says that guests could fill the disk', async () => {
  const programs = { setfacl: succeed, virsh: virsh(true) }
  expect(await codes(programs, '#stdio_handler = "file"\n')).toEqual([])
  expect(await codes(programs, 'stdio_handler = "file"\n')).toEqual(['LIBVIRT_UNBOUNDED'])
})

it('is asked for libvirt where the settings want it, and the host says so', async () => {
  const own = await diagnoseHost(await fixtureOptions('hgx-h100'))
  const settings = { hypervisor: 'libvirt' } as const
  const theirs = await diagnoseHost(await fixtureOptions('hgx-h100', { settings }))
  expect(own.facts.features).not.toContain('libvirt')
  expect(theirs.facts.features).toContain('libvirt')
  expect([own, theirs].map(({ facts }) => facts.features.includes('nvme-disks'))).toEqual([true, false])
  const more = theirs.troubles.slice(own.troubles.length).map(({ message }) => message)
  expect(more.join('\n')).toMatch(/virsh is not installed.*\n.*setfacl is not installed/)
})
