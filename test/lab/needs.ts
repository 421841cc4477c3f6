import type { Needs } from '../support/needs.ts'

/** What it takes to build and boot a virtual hypervisor. */
export const labNeeds: Needs = {
  root: true,
  programs: [
    'qemu-system-x86_64',
    'qemu-img',
    'mmdebstrap',
    'mke2fs',
    'ssh',
    'ssh-keygen',
    'ip',
    'busybox',
    'perl',
  ],
}
