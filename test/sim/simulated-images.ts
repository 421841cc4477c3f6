import { simulatedSha256 } from '../../agent/host/fake/fake-host.ts'
import type { TestImage } from '../e2e/images.ts'

/** An image that only simulated hosts can fetch. */
export const simulatedImages: readonly TestImage[] = [
  {
    ...{ id: 'simulated', url: 'file:///simulated/disk.raw', sha256: simulatedSha256 },
    ...{ format: 'raw', sizeGb: 1 },
  },
]
