import { ensureSmallGuest, smallGuestCommandLine } from '../guest/small-guest.ts'
import type { TestImage } from './images.ts'

/** The small guest as an image of the catalogue, with ones that are broken: a wrong checksum, nowhere to be found, no
 * kernel where the kernel should be. */
export async function smallImages(): Promise<readonly TestImage[]> {
  const guest = await ensureSmallGuest()
  const initrd = { url: `file://${guest.initrdPath}`, sha256: guest.initrdSha256 }
  const small: TestImage = {
    id: 'small-guest',
    url: `file://${guest.diskPath}`,
    sha256: guest.diskSha256,
    format: 'raw',
    sizeGb: 1,
    directKernel: {
      kernel: { url: `file://${guest.kernelPath}`, sha256: guest.kernelSha256 },
      initrd,
      commandLine: smallGuestCommandLine,
    },
  }
  return [
    small,
    {
      ...small,
      id: 'not-a-kernel',
      directKernel: { kernel: initrd, initrd, commandLine: smallGuestCommandLine },
    },
    { ...small, id: 'wrong-checksum', sha256: 'f'.repeat(64) },
    { ...small, id: 'nowhere', url: 'file:///nowhere/at-all.raw', sha256: 'e'.repeat(64) },
  ]
}
