import { fromBinary, toBinary } from '@bufbuild/protobuf'
import type { Transaction } from 'kysely'
import { type DesiredState, InstanceSpecSchema } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  hostId,
  instanceUid,
  operationId,
  type PciAddress,
  pciAddress,
  projectId,
  zoneId,
} from '../../../proto/ids.ts'
import type { InstanceStatus } from '../../../proto/instance-state.ts'
import type { UnscrubbedPolicy } from '../../model/device.ts'
import {
  type Holding,
  type HostPart,
  type InstanceDetails,
  type InstanceRecord,
  nowhere,
} from '../../model/instance.ts'
import type {
  Demand,
  HostDevice,
  HostState,
  NumaCell,
  Occupant,
  PlacementExplanation,
  Uplink,
} from '../../model/placement.ts'
import type { StoredCapacity, StoredHost } from '../host-store.ts'
import type { DeviceRow, HostRow, InstanceRow, Tables } from '../tables.ts'
import { parseCells, type StoredCell } from './cell-claims.ts'
import { type ConditionRow, conditionFromRow } from './device-condition.ts'

export type Tx = Transaction<Tables>

export function instanceFromRow(row: InstanceRow): InstanceRecord {
  return {
    uid: instanceUid(row.uid),
    project: projectId(row.project),
    id: row.id,
    details: JSON.parse(row.details) as InstanceDetails,
    spec: fromBinary(InstanceSpecSchema, row.spec),
    status: row.status as InstanceStatus,
    statusMessage: row.status_message,
    reason: row.reason,
    statusSinceMs: row.status_since_ms,
    desiredState: row.desired_state as DesiredState,
    generation: row.generation,
    hostId: row.host_id === null ? nowhere : hostId(row.host_id),
    startGeneration: row.start_generation,
    resetGeneration: row.reset_generation,
    demand: JSON.parse(row.demand) as Demand,
    holds: row.holds as Holding,
    operationId: operationId(row.operation_id),
    explanation: JSON.parse(row.explanation) as PlacementExplanation,
    ...(row.host_part === null ? {} : { hostPart: JSON.parse(row.host_part) as HostPart }),
    createdAtMs: row.created_at_ms,
    updatedAtMs: row.updated_at_ms,
    revision: row.revision,
  }
}

/** But for the number of its last change. No host has told of it yet. */
export function rowOfInstance(instance: InstanceRecord): Omit<InstanceRow, 'change' | 'host_part'> {
  return {
    uid: instance.uid,
    project: instance.project,
    id: instance.id,
    host_id: instance.hostId === nowhere ? null : instance.hostId,
    details: JSON.stringify(instance.details),
    spec: toBinary(InstanceSpecSchema, instance.spec),
    demand: JSON.stringify(instance.demand),
    explanation: JSON.stringify(instance.explanation),
    status: instance.status,
    status_message: instance.statusMessage,
    reason: instance.reason,
    status_since_ms: instance.statusSinceMs,
    desired_state: instance.desiredState,
    generation: instance.generation,
    start_generation: instance.startGeneration,
    reset_generation: instance.resetGeneration,
    holds: instance.holds,
    operation_id: instance.operationId,
    revision: instance.revision,
    created_at_ms: instance.createdAtMs,
    updated_at_ms: instance.updatedAtMs,
  }
}

export interface DeviceWithClaim
  extends ConditionRow,
    Pick<DeviceRow, 'host_id' | 'address' | 'accelerator_type' | 'numa_node' | 'switch_id'> {
  readonly claimed_by: string | null
  /** A place of a reservation. */
  readonly kept_by: string | null
}

/** What is on a host, from rows of other tables. */
interface OnHost {
  readonly devices: readonly DeviceWithClaim[] | undefined
  readonly occupants: readonly Occupant[] | undefined
}

export function hostFromRows(row: HostRow, there: OnHost): StoredHost {
  return {
    ...capacityFromRows(row, there),
    journalUuid: row.journal_uuid,
    bootId: row.boot_id,
    agentVersion: row.agent_version,
    epoch: row.epoch,
    facts: row.facts,
    updatedAtMs: row.updated_at_ms,
  }
}

export type CapacityRow = Pick<
  HostRow,
  | ('host_id' | 'zone' | 'state' | 'architecture' | 'features' | 'uplinks' | 'partitions')
  | ('vcpus_capacity' | 'vcpus_used' | 'memory_mib_capacity' | 'memory_mib_used' | 'disk_gb_capacity')
  | ('disk_gb_used' | 'unscrubbed_devices' | 'labels' | 'cells' | 'revision')
>

export function capacityFromRows(row: CapacityRow, { devices = [], occupants = [] }: OnHost): StoredCapacity {
  return {
    hostId: hostId(row.host_id),
    zone: zoneId(row.zone),
    state: row.state as HostState,
    architecture: row.architecture,
    features: JSON.parse(row.features) as string[],
    uplinks: JSON.parse(row.uplinks) as Uplink[],
    vcpus: { capacity: row.vcpus_capacity, used: row.vcpus_used },
    memoryMib: { capacity: row.memory_mib_capacity, used: row.memory_mib_used },
    diskGb: { capacity: row.disk_gb_capacity, used: row.disk_gb_used },
    devices: devices.toSorted((a, b) => (a.address < b.address ? -1 : 1)).map(deviceFromRow),
    ...(row.cells === null ? {} : { cells: parseCells(row.cells).map(cellFromStored) }),
    ...(row.partitions === null ? {} : { partitions: JSON.parse(row.partitions) as PciAddress[][] }),
    unscrubbedDevices: row.unscrubbed_devices as UnscrubbedPolicy,
    ...(row.labels === '{}' ? {} : { labels: JSON.parse(row.labels) as Record<string, string> }),
    ...(occupants.length === 0 ? {} : { occupants }),
    revision: row.revision,
  }
}

const cellFromStored = ({ numaNode, vcpus, memoryMib }: StoredCell): NumaCell => ({
  ...{ numaNode, vcpus, memoryMib },
})

function deviceFromRow(row: DeviceWithClaim): HostDevice {
  return {
    address: pciAddress(row.address),
    numaNode: row.numa_node,
    ...(row.switch_id === null ? {} : { switchId: row.switch_id }),
    ...conditionFromRow(row),
    ...(row.accelerator_type === null ? {} : { acceleratorType: row.accelerator_type }),
    ...claimedBy(row.claimed_by ?? row.kept_by),
  }
}

const claimedBy = (uid: string | null) => (uid === null ? {} : { claimedBy: uid })
