// The memory of a guest in a file of libvirt's, with which `virsh restore` goes on.
import type { Files } from '../../../host/ports.ts'
import { type GuestHandle, HypervisorError } from '../port.ts'
import { type Virsh, VirshError } from './virsh.ts'

/** A terabyte at a gigabyte each second. */
const timeoutMs = 1_200_000

/**
 * A snapshot of nothing but memory and devices: unlike `virsh save`, it leaves the guest standing still until all is noted.
 * @throws HypervisorError
 */
export async function saveDomain(
  { files, virsh }: { readonly files: Files; readonly virsh: Virsh },
  { instanceUid }: GuestHandle,
  path: string,
): Promise<void> {
  try {
    if ((await virsh(instanceUid, 'domstate')) !== 'paused') await virsh(instanceUid, 'suspend')
    // libvirt makes the file itself.
    await files.remove(path)
    const disks = await listTargets(virsh, instanceUid)
    const leaveDisks = disks.flatMap((target) => ['--diskspec', `${target},snapshot=no`])
    const memory = ['--memspec', `file=${path},snapshot=external`]
    await virsh(instanceUid, 'snapshot-create-as', ['--no-metadata', ...memory, ...leaveDisks], { timeoutMs })
  } catch (thrown) {
    if (!(thrown instanceof VirshError)) throw thrown
    const isFull = /no space left/i.test(thrown.message)
    throw isFull
      ? new HypervisorError('DISK_FULL', 'The host has no room on its disk for the memory.', {
          cause: thrown,
        })
      : new HypervisorError('SUSPEND_FAILED', `libvirt could not save the memory: ${thrown.message}.`, {
          cause: thrown,
        })
  }
}

async function listTargets(virsh: Virsh, instanceUid: string): Promise<readonly string[]> {
  const lines = (await virsh(instanceUid, 'domblklist')).split('\n')
  return lines.flatMap((line) => line.trim().split(/\s+/)[0] || [])
}
