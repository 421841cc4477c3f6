import { HypervisorError } from '../drivers/hypervisor/port.ts'
import { uefi } from '../plan/firmware.ts'
import type { InstancePorts } from './ports.ts'

/** A guest's own copy of what UEFI remembers, made once: what the guest has set there stays. */
export async function ensureFirmwareVariables(
  { files }: Pick<InstancePorts, 'files'>,
  path: string,
  owner: { readonly uid: number; readonly gid: number },
): Promise<void> {
  if ((await files.stat(path)) !== undefined) return
  const empty = await files.read(uefi.variables)
  if (!empty || (await files.stat(uefi.code)) === undefined) {
    throw new HypervisorError(
      'START_FAILED',
      `Its image boots by UEFI, and this host has no ${empty ? uefi.code : uefi.variables}: the operator can install ovmf.`,
    )
  }
  await files.writeAtomic(path, empty, { mode: 0o600, owner })
}
