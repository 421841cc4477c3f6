import { ensureSmallGuest, smallGuestCommandLine } from '../guest/small-guest.ts'
import type { TestImage } from './images.ts'

/** The small guest as an image of the catalogue, and one whose checksum is wrong, and one that is nowhere. */
export async function smallImages(): Promise<readonly TestImage[]> {
  const guest = await ensureSmallGuest()
  const small: TestImage = {
    id: 'small-guest',
    url: `file://${guest.diskPath}`,
    sha256: guest.diskSha256,
    format: 'raw',
    sizeGb: 1,
    directKernel: {
      kernel: { url: `file://${guest.kernelPath}`, sha256: guest.kernelSha256 },
      initrd: { url: `file://${guest.initrdPath}`, sha256: guest.initrdSha256 },
      commandLine: smallGuestCommandLine,
    },
  }
  return [
    small,
    { ...small, id: 'wrong-checksum', sha256: 'f'.repeat(64) },
    { ...small, id: 'nowhere', url: 'file:///nowhere/at-all.raw', sha256: 'e'.repeat(64) },
  ]
}
