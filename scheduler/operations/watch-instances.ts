import type PQueue from 'p-queue'
import type { InstanceUid, ProjectId } from '../../proto/ids.ts'
import type { Filter } from '../model/filter.ts'
import type { InstanceRecord } from '../model/instance.ts'
import type { InstanceChange } from '../store/store.ts'
import { matchesFilter } from './match-filter.ts'
import type { OperationPorts } from './ports.ts'

export type { InstanceChange }

export interface WatchRequest {
  readonly project: ProjectId
  /** Only this one. */
  readonly uid?: InstanceUid
  /** Only these: what a list would show at the same moment. */
  readonly filter?: Filter
  /** The last change that the watcher has seen; absent to begin with what there is. */
  readonly after?: number
}

export type WatchBatch =
  /** What there is; nothing can go on from the middle of that. */
  | { readonly kind: 'existing'; readonly instances: readonly InstanceRecord[] }
  /** All that there was has been told. */
  | { readonly kind: 'synced'; readonly change: number }
  /** Of every project: the same object for all who are at the same place, so that it is rendered once. */
  | { readonly kind: 'changes'; readonly changes: readonly InstanceChange[] }
  /** It was too long ago: the watcher has to begin anew. */
  | { readonly kind: 'forgotten' }

const pageSize = 50

/** Never ends by itself. The latest state of each instance arrives; states in between may be left out. */
export async function* watchInstances(
  request: WatchRequest,
  { store, feed, listing }: Pick<OperationPorts, 'store' | 'feed'> & { readonly listing: PQueue },
  signal: AbortSignal,
): AsyncGenerator<WatchBatch> {
  let position = request.after ?? (await store.readChangePosition())
  if (request.after === undefined) {
    for await (const instances of listAll(request, store, listing)) yield { kind: 'existing', instances }
    yield { kind: 'synced', change: position }
  }
  for (;;) {
    const outcome = await feed.next(position, signal)
    if (outcome.kind === 'forgotten') {
      yield outcome
      return
    }
    if (outcome.changes.length > 0) yield outcome
    position = outcome.through
  }
}

async function* listAll(
  { project, uid, filter }: WatchRequest,
  store: OperationPorts['store'],
  listing: PQueue,
): AsyncGenerator<readonly InstanceRecord[]> {
  if (uid !== undefined) {
    const one = await store.findInstance(project, uid)
    if (one !== undefined) yield [one]
    return
  }
  for (let after: { value: number; uid: InstanceUid } | undefined, isLast = false; !isLast; ) {
    const from = { ...(after === undefined ? {} : { after }), ...(filter === undefined ? {} : { filter }) }
    // In a queue: a thousand clients that come back at once must not fill the memory.
    const page = await listing.add(() => store.listInstances({ project, limit: pageSize, ...from }))
    if (page.length > 0) yield page
    const last = page.at(-1)
    isLast = page.length < pageSize || last === undefined
    if (last !== undefined) after = { value: last.createdAtMs, uid: last.uid }
  }
}

/** Whether an instance that has changed is one that the filter is about, now. */
export const isWanted = (instance: InstanceRecord, { filter }: Pick<WatchRequest, 'filter'>): boolean =>
  filter === undefined || matchesFilter(instance, filter)

/** Whether a change is one that was asked for. */
export function concerns(change: InstanceChange, { project, uid }: WatchRequest): boolean {
  const subject = change.kind === 'changed' ? change.instance : change
  return subject.project === project && (uid === undefined || subject.uid === uid)
}
