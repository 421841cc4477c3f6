import { resourceUid } from '../../../proto/ids.ts'
import { collections, type StoredResource } from '../../model/resource.ts'
import type {
  CreateResource,
  CreateResourcesOutcome,
  DeleteResource,
  DeleteResourcesOutcome,
  InUse,
  ResourceKeyOutcome,
  UpdateResource,
  UpdateResourceOutcome,
} from '../resource-store.ts'
import type { IdempotencyKey } from '../store.ts'
import { firewallChanged } from './firewalls.ts'
import { findKey, rememberKey } from './idempotency.ts'
import { findPlaceUsers } from './place-users.ts'
import { placeChanged } from './places.ts'
import { Refused } from './refused.ts'
import { findResource, nextResourceChange, resourceFromRow } from './resource-rows.ts'
import type { Tx } from './rows.ts'
import { giveTakenBack, take } from './takings.ts'
import { findUsingInstances } from './uses.ts'

/** @throws Refused */
export async function createResources(
  tx: Tx,
  inputs: readonly CreateResource[],
): Promise<CreateResourcesOutcome> {
  const resources: StoredResource[] = []
  for (const input of inputs) {
    if (input.idempotency) {
      const known = await findResourceByKey(tx, input.idempotency)
      if (known.kind !== 'unused') return known
    }
    const after = await createOne(tx, input)
    await firewallChanged(tx, { after, requestId: input.requestId ?? '' })
    await placeChanged(tx, { after })
    resources.push(after)
    if (input.idempotency) await rememberKey(tx, input.idempotency, { ...input, operationId: '' })
  }
  return { kind: 'created', resources }
}

async function createOne(tx: Tx, input: CreateResource): Promise<StoredResource> {
  const { collection, scope, id, parentUid, nowMs } = input
  const namesake = await tx
    .selectFrom('resources')
    .select('uid')
    .where('collection', '=', collection)
    .where('scope', '=', scope)
    .where('id', '=', id)
    .executeTakeFirst()
  if (namesake) throw new Refused({ kind: 'name-taken', id })
  if (parentUid !== undefined && !(await findResource(tx, parentUid))) {
    throw new Refused({ kind: 'parent-gone' })
  }
  const row = await tx
    .insertInto('resources')
    .values({
      uid: input.uid,
      ...{ collection, scope, id, parent_uid: parentUid ?? null },
      body: JSON.stringify(input.body),
      is_declared: 0,
      revision: 1,
      change: await nextResourceChange(tx),
      created_at_ms: nowMs,
      updated_at_ms: nowMs,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  const taken = await take(tx, input)
  const made = resourceFromRow(row)
  if (Object.keys(taken).length === 0) return made
  const body = { ...made.body, ...taken }
  await tx
    .updateTable('resources')
    .set({ body: JSON.stringify(body) })
    .where('uid', '=', input.uid)
    .execute()
  return { ...made, body }
}

/** @throws Refused */
export async function updateResource(tx: Tx, input: UpdateResource): Promise<UpdateResourceOutcome> {
  if (input.idempotency) {
    const known = await findResourceByKey(tx, input.idempotency)
    if (known.kind !== 'unused') return known
  }
  const before = await findResource(tx, input.uid)
  if (!before) return { kind: 'not-found' }
  if (input.ifRevision !== undefined && before.revision !== input.ifRevision) {
    return { kind: 'revision-mismatch', revision: before.revision }
  }
  const row = await tx
    .updateTable('resources')
    .set({
      body: JSON.stringify(patched(before.body, input.patch)),
      revision: before.revision + 1,
      change: await nextResourceChange(tx),
      updated_at_ms: input.nowMs,
    })
    .where('uid', '=', input.uid)
    .returningAll()
    .executeTakeFirstOrThrow()
  if (input.idempotency) await rememberKey(tx, input.idempotency, { ...input, operationId: '' })
  const after = resourceFromRow(row)
  await firewallChanged(tx, { before, after, requestId: input.requestId ?? '' })
  await placeChanged(tx, { before, after })
  return { kind: 'updated', resource: after }
}

const patched = (body: StoredResource['body'], patch: UpdateResource['patch']) =>
  Object.fromEntries(Object.entries({ ...body, ...patch }).filter(([, value]) => value !== null))

/** @throws Refused */
export async function deleteResources(
  tx: Tx,
  inputs: readonly DeleteResource[],
): Promise<DeleteResourcesOutcome> {
  for (const input of inputs) {
    if (input.idempotency) {
      const known = await findResourceByKey(tx, input.idempotency)
      if (known.kind === 'gone' || known.kind === 'other-request') return known
    }
    const refused = await deleteOne(tx, input)
    if (refused) throw new Refused(refused)
    if (input.idempotency) await rememberKey(tx, input.idempotency, { ...input, operationId: '' })
  }
  return { kind: 'deleted' }
}

async function deleteOne(
  tx: Tx,
  { uid, ifRevision, requestId = '' }: DeleteResource,
): Promise<DeleteResourcesOutcome | undefined> {
  const before = await findResource(tx, uid)
  if (!before) return { kind: 'not-found' }
  if (ifRevision !== undefined && before.revision !== ifRevision) {
    return { kind: 'revision-mismatch', revision: before.revision }
  }
  const by = await findUsers(tx, before)
  if (by.length > 0) return { kind: 'in-use', by }
  await removeRow(tx, before)
  await firewallChanged(tx, { before, requestId })
  await placeChanged(tx, { before })
  return undefined
}

export async function removeRow(tx: Tx, resource: StoredResource): Promise<void> {
  await giveTakenBack(tx, resource)
  if (resource.collection === 'projects') {
    await tx.deleteFrom('quotas').where('project', '=', resource.id).execute()
  }
  await tx.deleteFrom('resources').where('uid', '=', resource.uid).execute()
  const change = await nextResourceChange(tx)
  await tx.insertInto('resource_deletions').values({ change, uid: resource.uid }).execute()
}

const namedUsers = 5

/** Instances and disks that use it, and resources that belong to it. */
export async function findUsers(tx: Tx, resource: StoredResource): Promise<InUse['by']> {
  const { uid } = resource
  const instances = await findUsingInstances(tx, resource, namedUsers)
  const holders = await tx
    .selectFrom('address_claims')
    .innerJoin('instances', 'instances.uid', 'address_claims.instance_uid')
    .select('instances.id')
    .where('reservation_uid', '=', uid)
    .execute()
  const disks = await tx
    .selectFrom('disks')
    .select('id')
    .where((row) => row.or([row('project_uid', '=', uid), row('image_uid', '=', uid)]))
    .limit(namedUsers)
    .execute()
  const children = await tx
    .selectFrom('resources')
    .select(['collection', 'id'])
    .where('parent_uid', '=', uid)
    .orderBy('uid')
    .limit(namedUsers)
    .execute()
  const users = [
    ...[...instances, ...holders].map(({ id }) => ({ noun: 'instance', id })),
    ...disks.map(({ id }) => ({ noun: 'disk', id })),
    ...children.map(({ collection, id }) => ({
      noun: collections[collection as keyof typeof collections],
      id,
    })),
    ...(await findPlaceUsers(tx, resource)),
  ]
  const distinct = new Map(users.map((user) => [`${user.noun} ${user.id}`, user]))
  return [...distinct.values()].slice(0, namedUsers)
}

export async function findResourceByKey(tx: Tx, input: IdempotencyKey): Promise<ResourceKeyOutcome> {
  const known = await findKey(tx, input)
  if (known === undefined) return { kind: 'unused' }
  if (known.request_hash !== input.requestHash) return { kind: 'other-request' }
  const resource = await findResource(tx, known.instance_uid)
  return resource ? { kind: 'replay', resource } : { kind: 'gone', uid: resourceUid(known.instance_uid) }
}
