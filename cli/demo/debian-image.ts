import type { DevImage } from '../dev/catalogue.ts'
import { ensureGuestImage } from './guest-image.ts'

/** The demo's guest as an image of the catalogue; built on the first call on a machine. */
export async function readDebianImage(onProgress: (line: string) => void): Promise<DevImage> {
  const guest = await ensureGuestImage({ onProgress })
  return {
    id: 'debian-12',
    family: 'debian',
    url: `file://${guest.diskPath}`,
    sha256: guest.diskSha256,
    format: 'raw',
    // Room to work in: the guest grows its file system at first boot.
    sizeGb: 2,
    directKernel: {
      kernel: { url: `file://${guest.kernelPath}`, sha256: guest.kernelSha256 },
      initrd: { url: `file://${guest.initrdPath}`, sha256: guest.initrdSha256 },
      commandLine: guest.commandLine,
    },
  }
}
