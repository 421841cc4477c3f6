// What an operator declares in the settings file and the API shows read-only: zones, instance types, accelerator
// types, images, projects with their networks. Plain values; ids are unique within their list.

export interface Catalogue {
  readonly region: string
  readonly zones: readonly Zone[]
  readonly images: readonly CatalogueImage[]
  readonly projects: readonly Project[]
  /** `[INSTANCE_NAME].[ZONE].c.[PROJECT_ID].internal` unless the operator says otherwise. */
  readonly hostnameTemplate: string
}

export interface Zone {
  readonly id: string
  readonly description?: string
  /** Virtual CPUs handed out for each CPU of a host. */
  readonly cpuOvercommit: number
  readonly instanceTypes: readonly InstanceType[]
  readonly acceleratorTypes: readonly AcceleratorType[]
}

export interface InstanceType {
  readonly id: string
  readonly description?: string
  readonly vcpus: number
  readonly memoryMib: number
  /** GPUs that come with the type; a request for such a type names no other. */
  readonly gpus?: { readonly type: string; readonly count: number }
  /** The image of the boot disk where a request has no disks. */
  readonly defaultImage?: string
}

export interface AcceleratorType {
  readonly id: string
  readonly description?: string
  /** `vendor:device`, lower-case hex, as agents report them. */
  readonly pciIds: readonly string[]
  readonly memoryGb?: number
  readonly maximumPerInstance: number
}

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
  readonly metadataFlavour: 'nocloud'
  readonly directKernel?: {
    readonly kernel: { readonly url: string; readonly sha256: string }
    readonly initrd: { readonly url: string; readonly sha256: string }
    readonly commandLine: string
  }
}

export interface Project {
  readonly id: string
  readonly displayName?: string
  readonly networks: readonly CatalogueNetwork[]
}

export interface CatalogueNetwork {
  readonly id: string
  /** A UUID that the operator (or `berth dev`) gave it; hosts name bridges and namespaces after it. */
  readonly uid: string
  readonly subnet: {
    readonly id: string
    readonly ipv4Cidr: string
  }
  /** 0: local to each host. */
  readonly vlan: number
  readonly mtu: number
}
