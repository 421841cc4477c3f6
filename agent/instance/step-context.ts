import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { CachedFile, CachedImage, FetchOptions } from '../drivers/disk/port.ts'
import type { InstancePorts } from './ports.ts'

/** What earlier steps of one run brought: the cache may put files elsewhere the next time. */
export interface Fetched {
  readonly images: Map<string, CachedImage>
  readonly blobs: Map<'kernel' | 'initrd', CachedFile>
}

/** What the guest's own disks rest on. A volume rests on nothing, whatever it was made from. */
export function basesOf({ disks }: InstanceSpec, { images }: Fetched): ReadonlyMap<string, CachedImage> {
  const ownDisks = new Set(disks.flatMap((disk) => (disk.volumeUid === '' ? [disk.deviceName] : [])))
  return new Map([...images].filter(([deviceName]) => ownDisks.has(deviceName)))
}

export interface StepContext {
  readonly ports: InstancePorts
  readonly spec: InstanceSpec
  readonly fetched: Fetched
  readonly fetchOptions: Required<FetchOptions>
  /** Called by a step that QEMU need not wait for any more: until `connected` no vCPU runs. */
  readonly onStartable?: () => void
  readonly connected?: Promise<void>
  record(): InstanceRecord
  /** Durable when it resolves. */
  change(change: Partial<InstanceRecord>): Promise<void>
}

export function ownerOf(record: InstanceRecord): { uid: number; gid: number } {
  const uid = record.pinned?.runAsUid
  if (uid === undefined) throw new Error(`Instance ${record.uid} has no user of its own yet.`)
  return { uid, gid: uid }
}
