import type { Store } from '../store.ts'
import { applyObservation } from './apply-observation.ts'
import { appendAudit, listAudit } from './audit.ts'
import { changeDevice } from './change-device.ts'
import { changeInstance } from './change-instance.ts'
import { readChangePosition, readChangesAfter } from './changes.ts'
import { commitPlacement, commitPlacements } from './commit-placement.ts'
import { applyDeviceObservation, failDeviceCommand } from './device-reports.ts'
import { listDevices } from './device-rows.ts'
import { applyDiskObservation, listDisksToRemove } from './disk-reports.ts'
import { findDisk, listDisks } from './disk-rows.ts'
import { createDisk, deleteDisk, findDiskByKey, updateDisk } from './disks.ts'
import { enqueueInstance } from './enqueue-instance.ts'
import { listEvents } from './events.ts'
import { labelHost } from './host-labels.ts'
import { fenceHost, setHostState } from './host-state.ts'
import { readHostsChangedAfter, registerHost } from './hosts.ts'
import { findByIdempotencyKey } from './idempotency.ts'
import {
  listNetworkHosts,
  listNetworkMembers,
  listNetworksOnHost,
  readMembershipsAfter,
} from './memberships.ts'
import { findOperation, listOperations } from './operations.ts'
import { acknowledgeCommands, listHostsWithCommands, readOutbox } from './outbox.ts'
import { listQuotas, setQuotas } from './quotas.ts'
import {
  findInstance,
  listInStatusSince,
  listInstances,
  listInstancesOnHost,
  setStatusMessage,
} from './read-instances.ts'
import { listReservations } from './reservations.ts'
import { declareResources, listAddresses, readResourcesAfter } from './resource-changes.ts'
import { createResources, deleteResources, findResourceByKey, updateResource } from './resources.ts'
import type { Tx } from './rows.ts'
import { giveUpWaiting, listWaiting, placeWaiting, tellWaiting } from './waiting.ts'

export type StoreMethod = Exclude<keyof Store, 'close' | 'onWrite' | 'onHostsChanged'>

/** Every method of the port as a procedure over one transaction: the same for every database. */
export type Procedures = {
  readonly [Method in StoreMethod]: (tx: Tx, ...args: Parameters<Store[Method]>) => ReturnType<Store[Method]>
}

export const procedures: Procedures = {
  registerHost,
  readHostsChangedAfter,
  setHostState,
  labelHost,
  fenceHost,
  commitPlacement,
  commitPlacements,
  findByIdempotencyKey,
  changeInstance,
  listQuotas,
  setQuotas,
  findOperation,
  listOperations,
  findInstance,
  listInstances,
  listEvents,
  readChangesAfter,
  readChangePosition,
  listInStatusSince,
  setStatusMessage,
  readOutbox,
  listHostsWithCommands,
  acknowledgeCommands,
  applyObservation,
  listInstancesOnHost,
  readMembershipsAfter,
  listNetworkHosts,
  listNetworkMembers,
  listNetworksOnHost,
  declareResources,
  readResourcesAfter,
  createResources,
  updateResource,
  deleteResources,
  findResourceByKey,
  listAddresses,
  listReservations,
  appendAudit,
  listAudit,
  createDisk,
  updateDisk,
  deleteDisk,
  findDisk,
  findDiskByKey,
  listDisks,
  applyDiskObservation,
  listDisksToRemove,
  listDevices,
  changeDevice,
  applyDeviceObservation,
  failDeviceCommand,
  enqueueInstance,
  listWaiting,
  placeWaiting,
  giveUpWaiting,
  tellWaiting,
}

/** Those that write run in a savepoint of their own. */
export const writes: ReadonlySet<StoreMethod> = new Set([
  'registerHost',
  'setHostState',
  'labelHost',
  'fenceHost',
  'commitPlacement',
  'commitPlacements',
  'changeInstance',
  'setQuotas',
  'setStatusMessage',
  'acknowledgeCommands',
  'applyObservation',
  'declareResources',
  'createResources',
  'updateResource',
  'deleteResources',
  'appendAudit',
  'createDisk',
  'updateDisk',
  'deleteDisk',
  'applyDiskObservation',
  'changeDevice',
  'applyDeviceObservation',
  'failDeviceCommand',
  'enqueueInstance',
  'placeWaiting',
  'giveUpWaiting',
  'tellWaiting',
])
