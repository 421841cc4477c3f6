import type { InstanceUid, ProjectId } from '../../proto/ids.ts'
import type { InstanceRecord } from '../model/instance.ts'
import type { InstanceChange } from '../store/store.ts'
import type { OperationPorts } from './ports.ts'

export interface WatchRequest {
  readonly project: ProjectId
  /** Only this one. */
  readonly uid?: InstanceUid
  /** The last change that the watcher has seen; absent to begin with what there is. */
  readonly after?: number
}

export type WatchEvent =
  /** `change` is absent while what there is is told: nothing can go on from the middle of that. */
  | { readonly kind: 'changed'; readonly change?: number; readonly instance: InstanceRecord }
  | { readonly kind: 'deleted'; readonly change: number; readonly uid: InstanceUid; readonly id: string }
  /** All that there was has been told. */
  | { readonly kind: 'synced'; readonly change: number }
  /** It was too long ago: the watcher has to begin anew. */
  | { readonly kind: 'forgotten' }

const pageSize = 500

/** Never ends by itself. The latest state of each instance arrives; states in between may be left out. */
export async function* watchInstances(
  request: WatchRequest,
  { store, feed }: Pick<OperationPorts, 'store' | 'feed'>,
  signal: AbortSignal,
): AsyncGenerator<WatchEvent> {
  let position = request.after ?? (await store.readChangePosition())
  if (request.after === undefined) {
    for await (const instance of listAll(request, store)) yield { kind: 'changed', instance }
    yield { kind: 'synced', change: position }
  }
  for (;;) {
    const outcome = await feed.next(position, signal)
    if (outcome.kind === 'forgotten') {
      yield { kind: 'forgotten' }
      return
    }
    for (const change of outcome.changes) {
      if (concerns(change, request)) yield eventOf(change)
    }
    position = outcome.through
  }
}

async function* listAll(
  { project, uid }: WatchRequest,
  store: OperationPorts['store'],
): AsyncGenerator<InstanceRecord> {
  if (uid !== undefined) {
    const one = await store.findInstance(project, uid)
    if (one !== undefined) yield one
    return
  }
  for (let after: { value: number; uid: InstanceUid } | undefined, isLast = false; !isLast; ) {
    const from = after === undefined ? {} : { after }
    const page = await store.listInstances({ project, limit: pageSize, ...from })
    yield* page
    const last = page.at(-1)
    isLast = page.length < pageSize || last === undefined
    if (last !== undefined) after = { value: last.createdAtMs, uid: last.uid }
  }
}

function concerns(change: InstanceChange, { project, uid }: WatchRequest): boolean {
  const subject = change.kind === 'changed' ? change.instance : change
  return subject.project === project && (uid === undefined || subject.uid === uid)
}

function eventOf(change: InstanceChange): WatchEvent {
  if (change.kind === 'changed') return change
  const { uid, id } = change
  return { kind: 'deleted', change: change.change, uid, id }
}
