// What guests share is open to groups. libvirt puts a guest's QEMU into one group alone: for all else its user is let in by name.
import type { Exec, Files } from '../../../host/ports.ts'
import type { GuestPlan } from '../port.ts'

interface Doors {
  readonly exec: Exec
  readonly files: Files
  readonly imageDirectory: string
}

/** Debian closes it to all but libvirt's own user, and below it is what each guest's QEMU reads first. */
const domainsDirectory = '/var/lib/libvirt/qemu'

/**
 * The one group that libvirt gives a guest's QEMU. The kernel tells of each virtual machine that begins or ends, and udev then
 * takes all names off /dev/kvm: that one takes its group.
 */
export const groupOf = ({ runAs, shared }: Pick<GuestPlan, 'runAs' | 'shared'>): number =>
  shared.find(({ path }) => path === '/dev/kvm')?.gid ?? runAs.gid

/** A guest's user may read what its plan says, and nothing that a guest before it had: users' numbers come again. */
export async function openShared(
  doors: Doors,
  { runAs, shared }: Pick<GuestPlan, 'runAs' | 'shared'>,
): Promise<void> {
  const { exec, files } = doors
  const directory = await files.stat(domainsDirectory)
  if (directory && (directory.mode & 0o001) === 0) {
    await files.changeMode(domainsDirectory, (directory.mode & 0o777) | 0o001)
  }
  await closeShared(doors, runAs.uid)
  for (const { path, access } of shared) {
    // libvirt itself opens what carries frames.
    if (access === 'read') await exec.run('setfacl', ['--modify', `u:${runAs.uid}:r`, path])
  }
}

/** Once its guest has ended. */
export async function closeShared({ exec, files, imageDirectory }: Doors, uid: number): Promise<void> {
  if (!(await files.stat(imageDirectory))) return
  await exec.run('setfacl', ['--recursive', '--remove', `u:${uid}`, imageDirectory])
}
