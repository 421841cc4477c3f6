// The tables as Kysely sees them. Numbers are numbers in every database: a driver that reads bigint as text is told
// to read numbers. Booleans are 0 and 1.

export interface Tables {
  sequences: { name: string; value: number }
  hosts: HostRow
  devices: DeviceRow
  instances: InstanceRow
  device_claims: DeviceClaimRow
  reservation_slots: ReservationSlotRow
  occupants: OccupantRow
  waiting: WaitingRow
  group_members: { group_name: string; instance_uid: string }
  address_claims: AddressClaimRow
  audit: AuditRow
  resources: ResourceRow
  resource_deletions: { change: number; uid: string }
  resource_uses: { resource_uid: string; instance_uid: string }
  vlan_claims: { vlan: number; network_uid: string }
  firewalls: { network_uid: string; generation: number }
  outbox: { host_id: string; sequence: number; command: Uint8Array }
  events: EventRow
  operations: OperationRow
  disks: DiskRow
  quotas: { project: string; metric: string; used: number; maximum: number | null }
  attributes: { instance_uid: string; name: string; value: string }
  deletions: {
    change: number
    instance_uid: string
    project: string
    id: string
    at_ms: number
    /** JSON: uids of the networks that it was in. */
    networks: string
  }
  idempotency_keys: {
    project: string
    principal: string
    key: string
    request_hash: string
    instance_uid: string
    operation_id: string
    created_at_ms: number
  }
}

export interface HostRow {
  host_id: string
  zone: string
  state: string
  architecture: string
  journal_uuid: string
  boot_id: string
  agent_version: string
  epoch: number
  facts: Uint8Array
  /** JSON: a list of names. */
  features: string
  /** JSON: a list of physical networks and MTUs. */
  uplinks: string
  /** JSON, by key: what operators have written on it. */
  labels: string
  /** Null where nothing joins its GPUs. */
  partitions: string | null
  /** JSON: what it has by NUMA cell, and what is used there. Null where it is one, or its agent doesn't tell. */
  cells: string | null
  /** Its zone's word on them. */
  unscrubbed_devices: string
  /** Before its zone's overcommit; null of one that was not heard since this is kept. */
  vcpus_allocatable: number | null
  vcpus_reported: number
  memory_mib_reported: number
  disk_gb_reported: number
  /** What it reports, or what is claimed where that is more. */
  vcpus_capacity: number
  vcpus_used: number
  memory_mib_capacity: number
  memory_mib_used: number
  disk_gb_capacity: number
  disk_gb_used: number
  next_command_sequence: number
  revision: number
  updated_at_ms: number
}

export interface DeviceRow {
  host_id: string
  address: string
  /** As types name it: vendor:device. Null of one that was not reported since this is kept. */
  pci_id: string | null
  accelerator_type: string | null
  numa_node: number
  /** The PCIe switch that it is below. */
  switch_id: string | null
  present: number
  state: string
  reason: string
  message: string
  entered_at_ms: number | null
  deadline_ms: number | null
  /** An instance's uid. */
  holder_uid: string | null
  unscrubbed_project: string | null
  /** Of the last command that its host has taken. */
  generation: number
  /** Of its agent's last report. */
  request_id: string
  observed_at_ms: number | null
  /** Of the last command that was asked for; 0 before the first. */
  command_generation: number
  command_verb: string | null
  command_request_id: string | null
  command_at_ms: number | null
  /** Of one that its host has refused. */
  command_error_reason: string | null
  command_error_message: string | null
}

export interface InstanceRow {
  uid: string
  project: string
  id: string
  /** Null of one that waits for capacity, or has done so in vain. */
  host_id: string | null
  details: string
  spec: Uint8Array
  demand: string
  explanation: string
  /** Null where its host has not told of any. */
  host_part: string | null
  status: string
  status_message: string
  reason: string
  status_since_ms: number
  desired_state: number
  generation: number
  start_generation: number
  reset_generation: number
  holds: string
  operation_id: string
  change: number
  revision: number
  created_at_ms: number
  updated_at_ms: number
}

/** Of an instance, of a place that is kept for one, or of an instance in such a place. */
export interface DeviceClaimRow {
  host_id: string
  address: string
  instance_uid: string | null
  slot_uid: string | null
}

export interface ReservationSlotRow {
  uid: string
  reservation_uid: string
  project: string
  host_id: string
  demand: string
  instance_uid: string | null
}

/** Of an instance that is on no host yet. */
export interface WaitingRow {
  instance_uid: string
  project: string
  zone: string
  /** JSON: with the needs of disks that outlive it. */
  demand: string
  since_ms: number
  until_ms: number
  stop_deadline_ms: number
  request_id: string
}

/** Of an instance that has asked for what matters to others on its host. */
export interface OccupantRow {
  instance_uid: string
  host_id: string
  /** `host`, while it has it whole. */
  isolation: string | null
  expected_end_ms: number | null
}

/** Of a NIC, of a reservation, or of a NIC that has a reserved one. */
export interface AddressClaimRow {
  network_uid: string
  ipv4: number
  mac_address: string | null
  instance_uid: string | null
  reservation_uid: string | null
}

export interface ResourceRow {
  uid: string
  collection: string
  scope: string
  id: string
  parent_uid: string | null
  body: string
  is_declared: number
  revision: number
  change: number
  created_at_ms: number
  updated_at_ms: number
}

export interface DiskRow {
  uid: string
  project: string
  /** Neither goes before it. */
  project_uid: string
  image_uid: string | null
  id: string
  zone: string
  size_gb: number
  source: string | null
  image: Uint8Array | null
  description: string | null
  labels: string
  host_id: string | null
  instance_uid: string | null
  /** Its instance is to let go of it. */
  detaching: number
  made: number
  status: string
  status_message: string
  generation: number
  operation_id: string
  revision: number
  created_at_ms: number
  updated_at_ms: number
}

export interface AuditRow {
  id: string
  at_ms: number
  principal: string
  project: string | null
  action: string
  method: string
  path: string
  status: number
  reason: string | null
  request_id: string
  source_address: string
}

export interface OperationRow {
  id: string
  project: string
  verb: string
  instance_uid: string
  instance_id: string
  generation: number
  status: string
  collection: string
  /** Of one that is about a disk of the instance. */
  disk_uid: string | null
  error_reason: string | null
  error_message: string | null
  request_id: string
  principal: string
  created_at_ms: number
  ended_at_ms: number | null
}

export interface EventRow {
  instance_uid: string
  sequence: number
  from_status: string | null
  to_status: string | null
  reason: string
  message: string
  at_ms: number
  request_id: string
}
