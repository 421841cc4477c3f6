import type { Needs } from '../support/needs.ts'

/** What it takes to boot a guest behind a tap. */
export const guestNeeds: Needs = {
  root: true,
  programs: ['qemu-system-x86_64', 'qemu-img', 'dnsmasq', 'nft', 'ip', 'apt-get', 'dpkg-deb'],
  files: ['/dev/net/tun'],
}
