import { debian13, ensureGuestImage } from '../../cli/demo/guest-image.ts'
import type { MetadataFlavour } from '../../scheduler/model/catalogue.ts'
/** An image as the scheduler's settings name it. */
export interface TestImage {
  readonly id: string
  readonly url: string
  readonly sha256: string
  readonly format: 'raw' | 'qcow2'
  readonly sizeGb: number
  readonly metadataFlavour?: MetadataFlavour
  readonly seedDisk?: boolean
  readonly directKernel?: {
    readonly kernel: { readonly url: string; readonly sha256: string }
    readonly initrd: { readonly url: string; readonly sha256: string }
    readonly commandLine: string
  }
}

/** The demo's Debian, with cloud-init: as a tenant gets it. Built in minutes, once on a machine. */
export async function debianImage(
  wish: Pick<TestImage, 'id' | 'metadataFlavour' | 'seedDisk'> = { id: 'debian-12' },
  version: 12 | 13 = 12,
): Promise<TestImage> {
  const guest = await ensureGuestImage({}, version === 13 ? debian13 : {})
  return {
    ...wish,
    url: `file://${guest.diskPath}`,
    sha256: guest.diskSha256,
    format: 'raw',
    sizeGb: 2,
    directKernel: {
      kernel: { url: `file://${guest.kernelPath}`, sha256: guest.kernelSha256 },
      initrd: { url: `file://${guest.initrdPath}`, sha256: guest.initrdSha256 },
      commandLine: guest.commandLine,
    },
  }
}
