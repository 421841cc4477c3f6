// What a request can name: zones with their accelerator types and instance types, images, and projects with their networks,
// declared in the settings file or made by request. Plain values; ids are unique within their list.
import type { UnscrubbedPolicy } from './device.ts'
import type { FirewallRule, IngressPolicy, InternetAccess } from './firewall.ts'
import type { ResourceMeta } from './resource.ts'

export interface Catalogue {
  readonly region: string
  readonly zones: readonly Zone[]
  readonly images: readonly CatalogueImage[]
  readonly projects: readonly Project[]
  /** `[INSTANCE_NAME].[ZONE].c.[PROJECT_ID].internal` unless the operator says otherwise. */
  readonly hostnameTemplate: string
  /** VLANs that networks get; without them a network is local to each host. */
  readonly vlanPool?: { readonly first: number; readonly last: number }
}

export interface Zone {
  readonly id: string
  readonly description?: string
  /** Virtual CPUs handed out for each CPU of a host. */
  readonly cpuOvercommit: number
  /** quarantine where absent. */
  readonly unscrubbedDevices?: UnscrubbedPolicy
  readonly instanceTypes: readonly InstanceType[]
  readonly acceleratorTypes: readonly AcceleratorType[]
  readonly meta: ResourceMeta
}

export interface InstanceType {
  readonly id: string
  readonly description?: string
  readonly vcpus: number
  readonly memoryMib: number
  /** What passes each NIC in each direction; no limit where absent. */
  readonly networkMbps?: number
  /** GPUs that come with the type; a request for such a type names no other. */
  readonly gpus?: { readonly type: string; readonly count: number }
  /** The image of the boot disk where a request has no disks. */
  readonly defaultImage?: string
  /** Absent of a custom type, which is its own name and nothing else. */
  readonly meta?: ResourceMeta
}

/** A project's own, in one zone. */
export interface ProjectInstanceType extends InstanceType {
  readonly zone: string
}

export interface AcceleratorType {
  readonly id: string
  readonly description?: string
  /** `vendor:device`, lower-case hex, as agents report them. */
  readonly pciIds: readonly string[]
  readonly memoryGb?: number
  readonly maximumPerInstance: number
  readonly meta: ResourceMeta
}

export const deprecationStates = ['ACTIVE', 'DEPRECATED', 'OBSOLETE'] as const

/** Which metadata service the image looks for when it boots. */
export const metadataFlavours = ['NOCLOUD', 'GCE', 'EC2', 'OPENSTACK'] as const
export type MetadataFlavour = (typeof metadataFlavours)[number]

/** What the image can be booted by. */
export const firmwares = ['BIOS', 'UEFI'] as const
export type FirmwareName = (typeof firmwares)[number]

export interface CatalogueImage {
  readonly id: string
  readonly family?: string
  readonly description?: string
  readonly url: string
  readonly sha256: string
  readonly format: 'raw' | 'qcow2'
  readonly architecture: 'x86_64' | 'aarch64'
  /** The size of the disk that the image makes, rounded up. */
  readonly sizeGb: number
  readonly metadataFlavour: MetadataFlavour
  /** Guests find what cloud-init reads on a disk labelled cidata; not where absent. */
  readonly seedDisk?: boolean
  /** BIOS where absent. */
  readonly firmware?: FirmwareName
  /** OBSOLETE makes no new disks; DEPRECATED is left out of its family. */
  readonly deprecation?: { readonly state: (typeof deprecationStates)[number]; readonly replacement?: string }
  /** Its bytes come from a request, and are not here yet. */
  readonly isPending?: boolean
  readonly isUploaded?: boolean
  readonly directKernel?: {
    readonly kernel: { readonly url: string; readonly sha256: string }
    readonly initrd: { readonly url: string; readonly sha256: string }
    readonly commandLine: string
  }
  readonly meta: ResourceMeta
}

export interface Project {
  readonly id: string
  readonly displayName?: string
  readonly description?: string
  readonly networks: readonly CatalogueNetwork[]
  readonly instanceTypes: readonly ProjectInstanceType[]
  readonly meta: ResourceMeta
}

/** Of networks and of hosts' uplinks that name none. */
export const defaultPhysicalNetwork = 'default'

export interface CatalogueNetwork {
  readonly id: string
  readonly description?: string
  /** Absent until it is made: NICs can't join before. */
  readonly subnet?: CatalogueSubnet
  /** 0: local to each host. */
  readonly vlan: number
  /** What carries the VLAN between hosts; `defaultPhysicalNetwork` where absent. */
  readonly physicalNetwork?: string
  readonly mtu: number
  /** ALLOW where absent. */
  readonly defaultIngress?: IngressPolicy
  /** NONE where absent. */
  readonly internetAccess?: InternetAccess
  readonly firewallRules: readonly CatalogueFirewallRule[]
  /** Hosts name bridges and namespaces after meta.uid. */
  readonly meta: ResourceMeta
}

export interface CatalogueFirewallRule extends FirewallRule {
  readonly meta: ResourceMeta
}

export interface CatalogueSubnet {
  readonly id: string
  readonly description?: string
  readonly ipv4Cidr: string
  /** A /64; without one its NICs have no IPv6. */
  readonly ipv6Cidr?: string
  readonly meta: ResourceMeta
}
