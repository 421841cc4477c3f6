// Turns a fully resolved spec into the ordered steps that bring the guest up on this host. Pure: nothing is chosen by
// whoever carries the steps out. Each step names the resource that it makes, so that it can be journalled before it is
// made and undone whether or not it was.
import type { Blob, Disk, Image, InstanceSpec, Network } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { tapName } from './names.ts'

export type Step =
  | { readonly kind: 'fetch-image'; readonly disk: Disk; readonly image: Image }
  | { readonly kind: 'fetch-blob'; readonly role: 'kernel' | 'initrd'; readonly blob: Blob }
  | { readonly kind: 'make-disk'; readonly disk: Disk }
  | { readonly kind: 'find-partition'; readonly addresses: readonly string[] }
  | { readonly kind: 'bind-device'; readonly address: string }
  | { readonly kind: 'activate-partition'; readonly addresses: readonly string[] }
  | { readonly kind: 'join-network'; readonly network: Network }
  | { readonly kind: 'publish-metadata'; readonly networkUid: string; readonly ipv4Address: string }
  | {
      readonly kind: 'connect-port'
      readonly tap: string
      readonly macAddress: string
      readonly ipv4Address: string
      readonly ipv6Address: string
      readonly networkMbps: number
      readonly network: Network
    }
  | { readonly kind: 'write-seed-disk' }
  | { readonly kind: 'start-guest' }

/** Images first, for they take longest and fail most; the guest last, when its metadata answers. */
export function planInstance(
  spec: InstanceSpec,
  /** hasFabric: NVSwitches join the host's GPUs. */
  host: { readonly hasFabric?: boolean } = {},
): readonly Step[] {
  return [
    ...spec.disks.flatMap((disk): Step[] =>
      disk.image ? [{ kind: 'fetch-image', disk, image: disk.image }] : [],
    ),
    ...planDirectKernel(spec),
    ...spec.disks.map((disk): Step => ({ kind: 'make-disk', disk })),
    ...planGpus(spec, host.hasFabric ?? false),
    ...spec.nics.flatMap((nic, index) => planNic({ spec, nic, index })),
    ...(hasSeedDisk(spec) ? [{ kind: 'write-seed-disk' } as const] : []),
    { kind: 'start-guest' },
  ]
}

/** Nothing is taken from its driver for a guest that has no partition; one is activated once no driver has its GPUs. */
function planGpus({ gpus }: InstanceSpec, hasFabric: boolean): readonly Step[] {
  const addresses = gpus.map(({ address }) => address)
  const binds = addresses.map((address): Step => ({ kind: 'bind-device', address }))
  if (!hasFabric || addresses.length === 0) return binds
  return [{ kind: 'find-partition', addresses }, ...binds, { kind: 'activate-partition', addresses }]
}

function planNic(plan: {
  spec: InstanceSpec
  nic: InstanceSpec['nics'][number]
  index: number
}): readonly Step[] {
  const { nic, spec, index } = plan
  const { network, ipv4Address, ipv6Address, macAddress, networkMbps } = nic
  if (!network) return []
  return [
    { kind: 'join-network', network },
    { kind: 'publish-metadata', networkUid: network.uid, ipv4Address },
    {
      ...{ kind: 'connect-port', tap: tapName(spec.uid, index) },
      ...{ macAddress, ipv4Address, ipv6Address, networkMbps, network },
    },
  ]
}

function planDirectKernel(spec: InstanceSpec): readonly Step[] {
  const kernel = bootImage(spec)?.directKernel
  if (!kernel?.kernel || !kernel.initrd) return []
  return [
    { kind: 'fetch-blob', role: 'kernel', blob: kernel.kernel },
    { kind: 'fetch-blob', role: 'initrd', blob: kernel.initrd },
  ]
}

export function bootImage({ disks }: Pick<InstanceSpec, 'disks'>): Image | undefined {
  return (disks.find((disk) => disk.boot) ?? disks[0])?.image
}

export const hasSeedDisk = (spec: Pick<InstanceSpec, 'disks'>): boolean => bootImage(spec)?.seedDisk ?? false

/** What a step is doing, for people: "fetching image debian-12". */
export function describeStep(step: Step): string {
  switch (step.kind) {
    case 'fetch-image':
      return `fetching image ${step.image.id}`
    case 'fetch-blob':
      return `fetching the ${step.role}`
    case 'make-disk':
      return `making ${step.disk.deviceName} of ${step.disk.sizeGb} GB`
    case 'bind-device':
      return 'preparing a GPU'
    case 'find-partition':
      return 'finding the partition of its GPUs'
    case 'activate-partition':
      return 'joining its GPUs'
    case 'join-network':
      return `joining network ${step.network.id}`
    case 'publish-metadata':
      return 'publishing metadata'
    case 'connect-port':
      return `connecting ${step.ipv4Address}`
    case 'write-seed-disk':
      return 'writing the disk with its metadata'
    case 'start-guest':
      return 'starting the guest'
  }
}
