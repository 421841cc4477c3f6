// Branded ids: a host's id can't be passed where an instance's is due. Values are plain strings on the wire.
declare const brand: unique symbol
type Branded<Name extends string> = string & { readonly [brand]: Name }

/** An instance's UUID: server-made, never reused. */
export type InstanceUid = Branded<'InstanceUid'>
/** A disk's UUID: server-made, never reused. */
export type DiskUid = Branded<'DiskUid'>
/** A host's id as the operator named it. */
export type HostId = Branded<'HostId'>
export type ProjectId = Branded<'ProjectId'>
export type ZoneId = Branded<'ZoneId'>
export type NetworkUid = Branded<'NetworkUid'>
/** Of a network, a subnet, an image …: server-made, never reused. */
export type ResourceUid = Branded<'ResourceUid'>
/** Of one of the places that a reservation holds. */
export type SlotUid = Branded<'SlotUid'>
/** A user's request: the UUID (v7) under which its end is told. */
export type OperationId = Branded<'OperationId'>
/** domain:bus:device.function, e.g. 0000:3b:00.0 */
export type PciAddress = Branded<'PciAddress'>

export const instanceUid = (value: string): InstanceUid => value as InstanceUid
export const diskUid = (value: string): DiskUid => value as DiskUid
export const hostId = (value: string): HostId => value as HostId
export const projectId = (value: string): ProjectId => value as ProjectId
export const zoneId = (value: string): ZoneId => value as ZoneId
export const networkUid = (value: string): NetworkUid => value as NetworkUid
export const resourceUid = (value: string): ResourceUid => value as ResourceUid
export const slotUid = (value: string): SlotUid => value as SlotUid
export const operationId = (value: string): OperationId => value as OperationId
export const pciAddress = (value: string): PciAddress => value as PciAddress

/** Names of resources, as the published API has them: 1–63 characters. */
export const resourceIdPattern = '^[a-z]([-a-z0-9]*[a-z0-9])?$'
/** Image ids may also hold dots. */
export const imageIdPattern = '^[a-z]([-.a-z0-9]*[a-z0-9])?$'
