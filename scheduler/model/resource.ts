// Resources that are made by request or declared in the settings file, as the store keeps them: what they are named, where
// they live, and a body that only their own kind understands.
import type { HostId, PciAddress, ResourceUid, SlotUid } from '../../proto/ids.ts'
import type { Demand } from './placement.ts'

/** With their noun, as sentences have it. */
export const collections = {
  zones: 'zone',
  'accelerator-types': 'accelerator type',
  projects: 'project',
  networks: 'network',
  subnets: 'subnet',
  addresses: 'address',
  images: 'image',
  'instance-types': 'instance type',
  reservations: 'reservation',
  'firewall-rules': 'firewall rule',
} as const

export type Collection = keyof typeof collections

/** Where an id is unique: in the region, a zone, a project or a network. */
export const scopeOf = {
  region: '',
  zone: (zone: string) => `zones/${zone}`,
  project: (project: string) => `projects/${project}`,
  network: (project: string, network: string) => `projects/${project}/networks/${network}`,
} as const

const zones = scopeOf.zone('')

/** Of the scope of what is in a zone; '' of another. */
export const zoneOf = (scope: string): string => (scope.startsWith(zones) ? scope.slice(zones.length) : '')

/** What every stored resource has beside its body. */
export interface ResourceMeta {
  readonly uid: ResourceUid
  /** The settings file has it: only there can it be changed. */
  readonly isDeclared: boolean
  readonly revision: number
  readonly createdAtMs: number
  readonly updatedAtMs: number
}

export interface StoredResource extends ResourceMeta {
  readonly collection: Collection
  readonly scope: string
  readonly id: string
  /** Goes only after this one: the network of a subnet. */
  readonly parentUid?: ResourceUid
  readonly body: Readonly<Record<string, unknown>>
}

/** Capacity on a certain host that is kept for one instance. */
export interface ReservationSlot {
  readonly uid: SlotUid
  readonly hostId: HostId
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
}

export interface StoredReservation extends StoredResource {
  /** With the id of the instance that is in each. Fewer than were asked for where a host was lost. */
  readonly slots: readonly (ReservationSlot & { readonly user?: string })[]
}

/** A reserved one. */
export interface StoredAddress extends StoredResource {
  /** The instance whose NIC has it. */
  readonly user?: string
}
