// What the API takes and answers, by the names of its own document: the types are generated from it.
import type { components } from './gen/api.ts'

type Schemas = components['schemas']

export type Instance = Schemas['Instance']
export type InstanceRequest = Schemas['InstanceRequest']
export type InstanceBatch = Schemas['InstanceBatch']
export type InstanceBatchPlan = Schemas['InstanceBatchPlan']
export type InstancePatch = Schemas['InstancePatch']
export type InstancePlan = Schemas['InstancePlan']
export type InstanceEvent = Schemas['InstanceEvent']
export type Disk = Schemas['Disk']
export type DiskPatch = Schemas['DiskPatch']
export type Operation = Schemas['Operation']
/** Text of the serial port; `next` is where the following read starts. */
export type SerialOutput = Pick<Schemas['SerialOutput'], 'contents' | 'start' | 'next'>
export type GuestAttribute = Schemas['GuestAttributes']['queryValue']['items'][number]
export type Host = Schemas['Host']
export type Device = Schemas['Device']
export type Capacity = Schemas['Capacity']
/** Of one zone and type of GPU. */
export type GpuCapacity = Capacity['capacity'][number]
export type CapacityAdvice = Schemas['CapacityAdvice']
export type InstancePlacement = Schemas['InstancePlacement']

/** The last part of a reference: /v1/…/instance-types/g1-small → g1-small */
export const shortName = (reference: string) => reference.split('/').at(-1) ?? reference
