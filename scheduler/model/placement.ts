// The words between admission, placement and the store: what is asked, what there is, what was decided and why.
import type { HostId, PciAddress, ProjectId, SlotUid, ZoneId } from '../../proto/ids.ts'
import type { DeviceCondition, UnscrubbedPolicy } from './device.ts'

/** Joins hosts by a physical network; as a need, with an MTU of at least this. */
export interface Uplink {
  readonly physicalNetwork: string
  readonly mtu: number
}

/** How near to one another an instance's GPUs are: on one NUMA node, below one PCIe switch, joined by NVSwitches. */
export const gpuTopologies = ['any', 'same-numa', 'same-switch', 'fabric'] as const
export type GpuTopology = (typeof gpuTopologies)[number]

export interface GpuWish {
  readonly type: string
  readonly count: number
  /** Types that do as well; all its GPUs are of one type. */
  readonly alternatives?: readonly string[]
  /** `any` where absent. */
  readonly topology?: GpuTopology
}

/** About one label of a host. */
export type LabelSelector =
  | { readonly kind: 'in' | 'not-in'; readonly key: string; readonly values: readonly string[] }
  | { readonly kind: 'exists' | 'absent'; readonly key: string }

/** What an instance takes from its host. */
export interface Demand {
  readonly zone: ZoneId
  /** What a guest of it has left in a device is a matter of its own. Absent of what was placed before devices were kept. */
  readonly project?: ProjectId
  readonly vcpus: number
  readonly memoryMib: number
  readonly diskGb: number
  readonly gpus: readonly GpuWish[]
  readonly architecture: string
  /** What the host must be able to do, as agents name it; nothing special where absent. */
  readonly features?: readonly string[]
  /** What its networks with a VLAN leave the host by; none where absent. */
  readonly uplinks?: readonly Uplink[]
  /** Room for its memory on the host's disk, while it is or may be there. */
  readonly suspendedGb?: number
  /** The place of a reservation that holds CPU, memory, disk and devices for it: it takes none of its own. */
  readonly slotUid?: SlotUid
  /** Disks that are there already and outlive the instance: where they are, and what those need that are nowhere yet. */
  readonly volumes?: { readonly hostId?: HostId; readonly newGb: number }
  /** `host`: nobody else's instance is beside it, before or after. */
  readonly isolation?: 'shared' | 'host'
  /** All of them hold on its host. */
  readonly hostLabels?: readonly LabelSelector[]
  /** That it is counted to, for its own wishes and those of others. */
  readonly groups?: readonly string[]
  /** On a host with a member of each; the first member of a group of its own goes anywhere. */
  readonly affinity?: readonly string[]
  /** On a host without a member of any. */
  readonly antiAffinity?: readonly string[]
  /** Fill what is begun, or keep what is empty busy; pack where absent. */
  readonly packing?: 'pack' | 'spread'
  /** A hint, never a promise: how long it will be there. */
  readonly expectedLifetimeS?: number
  /** Of one that waits for capacity, its uid: hosts that are kept for it are open to it. */
  readonly ticket?: string
  /** Of what is placed: what it is counted with in its host's NUMA cells. Absent where these are not known. */
  readonly cells?: readonly CellShare[]
}

/** Of one NUMA cell of a host. */
export interface CellShare {
  readonly numaNode: number
  readonly vcpus: number
  readonly memoryMib: number
}

/** An instance that is on a host, as far as it matters for others. */
export interface Occupant {
  readonly uid: string
  readonly groups?: readonly string[]
  readonly isolation?: 'shared' | 'host'
  /** Absent where nobody has given a hint. */
  readonly expectedEndMs?: number
}

export interface Counter {
  readonly capacity: number
  readonly used: number
}

/** vCPUs and memory that are near to one another, and to the devices of the same node. */
export interface NumaCell {
  readonly numaNode: number
  readonly vcpus: Counter
  readonly memoryMib: Counter
}

export interface HostDevice extends DeviceCondition {
  readonly address: PciAddress
  /** Accelerator type id of the zone's catalogue; undefined for a device that no type names. */
  readonly acceleratorType?: string
  /** -1 where unknown. */
  readonly numaNode: number
  /** The PCIe switch that it is below; absent where it has none to itself with others, or nobody knows. */
  readonly switchId?: string
  /** The one instance that owns it. */
  readonly claimedBy?: string
}

/** Fenced: an operator has declared it gone, and nothing that it says counts until it comes back empty. */
export type HostState = 'ready' | 'cordoned' | 'fenced'

/** One host as placement sees it. */
export interface HostSnapshot {
  readonly hostId: HostId
  readonly zone: ZoneId
  readonly state: HostState
  /** Has an agent's session that is not silent. */
  readonly connected: boolean
  readonly architecture: string
  /** What it can do, as its agent says. */
  readonly features?: readonly string[]
  readonly uplinks?: readonly Uplink[]
  /** Capacity in vCPUs has the zone's overcommit in it. */
  readonly vcpus: Counter
  readonly memoryMib: Counter
  readonly diskGb: Counter
  /**
   * Two or more; absent where the host is one, or its agent doesn't tell. What is used there is a part of what is used of
   * the host: of guests that were placed before cells were counted nobody knows it.
   */
  readonly cells?: readonly NumaCell[]
  readonly devices: readonly HostDevice[]
  readonly labels?: Readonly<Record<string, string>>
  /** The ticket of the one instance that may come to it. */
  readonly keptFor?: string
  /** Those there that have asked for what matters to others, and maybe more. */
  readonly occupants?: readonly Occupant[]
  /** Sets of its GPUs that NVSwitches join: a guest gets one of them, whole. Absent where nothing joins them. */
  readonly partitions?: readonly (readonly PciAddress[])[]
  /** Of its zone; quarantine where absent. */
  readonly unscrubbedDevices?: UnscrubbedPolicy
}

export const placementRules = [
  'zone',
  'disk-host',
  'host-ready',
  'architecture',
  'features',
  'uplink',
  'labels',
  'affinity',
  'anti-affinity',
  'isolation',
  'vcpus',
  'memory',
  'disk',
  'gpu-model',
  'gpu-count',
  'gpu-topology',
  'numa-cell',
  'kept',
] as const

export type PlacementRule = (typeof placementRules)[number]

export interface HostRefusal {
  readonly hostId: HostId
  readonly rule: PlacementRule
  /** A sentence: how far off. */
  readonly message: string
  /** The rule would hold on this host if it were empty and ready. */
  readonly couldEverFit: boolean
}

export interface RuleCount {
  readonly rule: PlacementRule
  readonly hosts: number
}

export interface PlacementExplanation {
  readonly seed: string
  readonly hostsConsidered: number
  /** How many hosts of the zone each rule refuses. Absent of what was decided without it. */
  readonly refusedBy?: readonly RuleCount[]
  /** How many none refuses. */
  readonly hostsFit?: number
  /** Host by host, for who has asked for it. */
  readonly refusals: readonly HostRefusal[]
  /** Of the chosen host among those that fitted: name of the score → value. */
  readonly scores?: Readonly<Record<string, number>>
}

export interface GrantedDevice {
  readonly type: string
  readonly address: PciAddress
}

export type PlacementVerdict =
  | {
      readonly kind: 'placed'
      readonly hostId: HostId
      readonly devices: readonly GrantedDevice[]
      /** Where its vCPUs and memory are to be; absent where the host's cells are not known. */
      readonly cells?: readonly CellShare[]
      /** Of the reservation that it was asked for from. */
      readonly slotUid?: SlotUid
      readonly explanation: PlacementExplanation
    }
  | {
      readonly kind: 'not-now'
      readonly message: string
      /** The same without advice. */
      readonly lack: string
      readonly explanation: PlacementExplanation
    }
  | { readonly kind: 'never-fits'; readonly message: string; readonly explanation: PlacementExplanation }
