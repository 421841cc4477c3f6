// The catalogue of a region on this machine: ids as in the published examples, sizes for a laptop and for the
// simulated GPU hosts alike. Values only.
import { knownAccelerators } from '../../proto/accelerators.ts'

export const regionId = 'us-texas-1'
export const zoneId = 'us1-a'
export const projectId = 'project-x9y8z7'

/** An image as the scheduler's settings have it. */
export interface DevImage {
  readonly id: string
  readonly family?: string
  readonly description?: string
  readonly url: string
  readonly sha256: string
  readonly format: 'raw' | 'qcow2'
  readonly sizeGb: number
  readonly directKernel?: {
    readonly kernel: { readonly url: string; readonly sha256: string }
    readonly initrd: { readonly url: string; readonly sha256: string }
    readonly commandLine: string
  }
}

/** What simulated hosts take for an image: there are no bytes behind it. */
export const simulatedImage: DevImage = {
  id: 'debian-12',
  family: 'debian',
  url: 'file:///simulated/debian-12.raw',
  sha256: 'a'.repeat(64),
  format: 'raw',
  sizeGb: 2,
}

/** Those that can be simulated. */
const acceleratorTypes = knownAccelerators
  .filter(({ type }) =>
    ['nvidia-h100-80gb', 'nvidia-h200-141gb', 'nvidia-a100-80gb', 'nvidia-l40s'].includes(type),
  )
  .map(({ type, pciIds, memoryGb }) => ({ id: type, pciIds, memoryGb }))

const gib = 1024
const instanceTypes = [
  { id: 'g1-small', vcpus: 1, memoryMib: gib },
  { id: 'g1-medium', vcpus: 2, memoryMib: 2 * gib },
  { id: 'g1-large', vcpus: 4, memoryMib: 16 * gib },
  { id: 'g1-xlarge', vcpus: 8, memoryMib: 32 * gib },
  {
    id: 'g1-h100-1',
    vcpus: 16,
    memoryMib: 128 * gib,
    gpus: { type: 'nvidia-h100-80gb', count: 1 },
  },
  {
    id: 'g1-h100-8',
    vcpus: 128,
    memoryMib: 1024 * gib,
    gpus: { type: 'nvidia-h100-80gb', count: 8 },
  },
]

export function makeDevCatalogue(options: { images: readonly DevImage[]; networkUid: string }): object {
  const defaultImage = options.images[0]?.id
  return {
    zones: [
      {
        id: zoneId,
        // Guests of a try-out are idle most of the time.
        cpuOvercommit: 4,
        instanceTypes: instanceTypes.map((type) => ({
          ...type,
          ...(defaultImage === undefined ? {} : { defaultImage }),
        })),
        acceleratorTypes,
      },
    ],
    images: options.images,
    projects: [
      {
        id: projectId,
        networks: [
          {
            id: 'default',
            uid: options.networkUid,
            subnet: { id: 'default', ipv4Cidr: '10.80.0.0/20', ipv6Cidr: 'fd62:6572:7468::/64' },
          },
        ],
      },
    ],
  }
}
