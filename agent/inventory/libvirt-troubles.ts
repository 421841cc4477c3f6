// What an operator is to put right where libvirt starts the guests.
import type { HostWarning } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { virshArgs } from '../drivers/hypervisor/libvirt/virsh.ts'
import type { Exec, Files } from '../host/ports.ts'
import { findMissing } from './program-troubles.ts'
import { succeeds } from './succeeds.ts'
import { toWarnings } from './warnings.ts'

const programs = [
  { name: 'virsh', versionFlag: '--version', debianPackage: 'libvirt-clients' },
  { name: 'setfacl', versionFlag: '--version', debianPackage: 'acl' },
]
const daemonSettings = '/etc/libvirt/qemu.conf'

export async function findLibvirtTroubles({
  exec,
  files,
}: {
  readonly exec: Exec
  readonly files: Files
}): Promise<readonly HostWarning[]> {
  const missing = await findMissing(exec, programs)
  const settings = new TextDecoder().decode((await files.read(daemonSettings)) ?? new Uint8Array())
  return [
    ...missing,
    ...toWarnings([
      [
        missing.length === 0 && !(await answers(exec)),
        'LIBVIRT_SILENT',
        'libvirt does not answer at qemu:///system, and the settings want guests to be started by it. Install libvirt-daemon-system and start libvirtd, or set hypervisor: qemu.',
      ],
      [
        /^\s*stdio_handler\s*=\s*"file"/m.test(settings),
        'LIBVIRT_UNBOUNDED',
        `stdio_handler in ${daemonSettings} is "file": a guest that writes without end to its serial port fills the disk. Set it to "logd".`,
      ],
    ]),
  ]
}

const answers = (exec: Exec) => succeeds(exec, 'virsh', virshArgs('uri'))
