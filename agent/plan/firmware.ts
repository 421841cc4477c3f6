// What a guest boots with. SeaBIOS, which QEMU brings along, unless its image says that it boots by UEFI alone. GPUs are no
// reason for either: SeaBIOS since 1.16 has been seen to find room above 4 GiB for eight BARs of 128 GiB, and an image
// that is booted by its kernel needs neither.
import { Firmware } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Pinned } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { InstancePaths } from './paths.ts'
import { renderOptions } from './qemu-disk.ts'

/** Of Debian's package ovmf; without Secure Boot, whose build needs a machine with SMM. */
export const uefi = {
  code: '/usr/share/OVMF/OVMF_CODE_4M.fd',
  /** Copied for each instance. */
  variables: '/usr/share/OVMF/OVMF_VARS_4M.fd',
}

export interface FirmwarePlan {
  readonly pinned: Pick<Pinned, 'firmware' | 'hardware'>
  readonly paths: Pick<InstancePaths, 'firmwareVariables'>
}

export const hasUefi = ({ firmware }: Pick<Pinned, 'firmware'>) => firmware === Firmware.UEFI

export const firmwareOption = ({ pinned }: FirmwarePlan): string =>
  hasUefi(pinned) ? ',pflash0=firmware,pflash1=firmware-variables' : ''

/**
 * In QEMU's words for -fw_cfg. Versions of OVMF before 2022.11 leave 32 GiB for large BARs, whatever the processor reaches; later ones an eighth of what it
 * reaches, and what is said here where that is more. SeaBIOS takes what it needs.
 */
export function mmioHint({ firmware, hardware }: FirmwarePlan['pinned']): string | undefined {
  const { mmio64Mib = 0n } = hardware ?? {}
  if (!hasUefi({ firmware }) || mmio64Mib === 0n) return undefined
  return `name=opt/ovmf/X-PciMmio64Mb,string=${mmio64Mib}`
}

export function firmwareArgs({ pinned, paths }: FirmwarePlan): readonly string[] {
  if (!hasUefi(pinned)) return []
  const hint = mmioHint(pinned)
  return [
    ...flash({ name: 'firmware', filename: uefi.code, access: { 'read-only': true } }),
    ...flash({ name: 'firmware-variables', filename: paths.firmwareVariables, access: {} }),
    ...(hint === undefined ? [] : ['-fw_cfg', hint]),
  ]
}

function flash(plan: { name: string; filename: string; access: { 'read-only'?: true } }): readonly string[] {
  const { name, filename, access } = plan
  const file = `${name}-file`
  return [
    ...['-blockdev', renderOptions({ driver: 'file', filename, 'node-name': file, ...access }, 'driver=')],
    ...['-blockdev', renderOptions({ driver: 'raw', file, 'node-name': name, ...access }, 'driver=')],
  ]
}
