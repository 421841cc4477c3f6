// Disks that outlive instances: created, read, changed, deleted. In: the request and who asks. Out: the disk, with an
// operation where a host has something to do, or a refusal. Never: puts a disk on a host; its first use does.
import { diskUid, type OperationId, operationId, type ProjectId, projectId } from '../../proto/ids.ts'
import { admitDisk, type PatchedDisk, patchDisk } from '../admission/admit-disk.ts'
import type { CreateDiskRequest, DiskPatch } from '../admission/disk-request.ts'
import { type Refusal, refuse, refuseAll } from '../errors.ts'
import type { Project } from '../model/catalogue.ts'
import type { DiskRecord } from '../model/disk.ts'
import type { DiskKeyOutcome, IdempotencyKey, UpdateDiskOutcome } from '../store/store.ts'
import { changeInstance } from './change-instance.ts'
import { idempotencyKeyOf } from './idempotency.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'
import { refuseQuota } from './quotas.ts'

/** Without an operation nothing is left to wait for. */
export interface AcceptedDisk {
  readonly disk: DiskRecord
  readonly operationId?: OperationId
}

interface Asked {
  readonly project: ProjectId
  readonly principal: string
  readonly requestId: string
  readonly idempotencyKey?: string
}
interface AskedOfOne extends Asked {
  readonly idOrUid: string
  readonly ifRevision?: number
}

export async function createDisk(
  request: Omit<Asked, 'project'> & {
    readonly project: Project
    readonly body: CreateDiskRequest
    readonly serverHost: string
  },
  ports: OperationPorts,
): Promise<Outcome<AcceptedDisk>> {
  const { store, random, clock, catalogue } = ports
  const project = projectId(request.project.id)
  const idempotency = keyOf({ ...request, project }, { method: 'POST', name: '', body: request.body })
  if (idempotency.idempotency !== undefined) {
    const known = await store.findDiskByKey(idempotency.idempotency)
    if (known.kind !== 'unused') return answerKey(known, request.idempotencyKey)
  }
  const admission = admitDisk(request.body, { ...request, catalogue })
  if (admission.kind === 'refused') return refuseProblems(admission.problems)
  const outcome = await store.createDisk({
    ...{ ...admission.value, project, ...idempotency },
    projectUid: request.project.meta.uid,
    uid: diskUid(random.uuid()),
    id: request.body.id ?? `disk-${random.slug(6)}`,
    nowMs: clock.nowMs(),
  })
  switch (outcome.kind) {
    case 'created':
      return done({ disk: outcome.disk })
    case 'name-taken':
      return refuse('NAME_TAKEN', { noun: 'disk', id: request.body.id ?? '' }, 'id')
    case 'resource-gone':
      await catalogue.refresh()
      return sayWhatIsGone(request, ports)
    case 'quota-exceeded':
      return refuseQuota(outcome)
    case 'replay':
    case 'gone':
    case 'other-request':
      return answerKey(outcome, request.idempotencyKey)
  }
}

function sayWhatIsGone(
  request: Parameters<typeof createDisk>[0],
  { catalogue }: Pick<OperationPorts, 'catalogue'>,
): Refusal {
  const admission = admitDisk(request.body, { ...request, catalogue })
  if (admission.kind === 'refused') return refuseProblems(admission.problems)
  const where = `region ${catalogue.region}`
  return refuse('NOT_FOUND', { what: 'Project', id: request.project.id, where })
}

export async function readDisk(
  { project, idOrUid }: { project: ProjectId; idOrUid: string },
  { store }: Pick<OperationPorts, 'store'>,
): Promise<Outcome<DiskRecord>> {
  const disk = await store.findDisk(project, idOrUid)
  return disk === undefined ? refuseDisk(project, idOrUid) : done(disk)
}

export async function listDisks(
  { pageSize, ...where }: { project: ProjectId; pageSize: number; afterId?: string },
  { store }: Pick<OperationPorts, 'store'>,
): Promise<{ readonly disks: readonly DiskRecord[]; readonly nextAfterId?: string }> {
  const found = await store.listDisks({ ...where, limit: pageSize + 1 })
  const disks = found.slice(0, pageSize)
  const last = disks.at(-1)
  return found.length > pageSize && last !== undefined ? { disks, nextAfterId: last.id } : { disks }
}

const maximumAttempts = 5

/** A merge patch. What grows under an instance is changed with the instance, so that its guest sees it. */
export async function updateDisk(
  request: AskedOfOne & { readonly body: DiskPatch },
  ports: OperationPorts,
): Promise<Outcome<AcceptedDisk>> {
  const { idempotency } = keyOf(request, { method: 'PATCH', name: request.idOrUid, body: request.body })
  for (let attempt = 1; ; attempt += 1) {
    if (idempotency !== undefined) {
      const known = await ports.store.findDiskByKey(idempotency)
      if (known.kind !== 'unused') return answerKey(known, request.idempotencyKey)
    }
    const found = await readDisk(request, ports)
    if (found.kind === 'refused') return found
    const before = found.value
    if (request.ifRevision !== undefined && request.ifRevision !== before.revision) {
      return refuse('REVISION_MISMATCH', { revision: before.revision })
    }
    const patch = patchDisk(before, request.body)
    if (patch.kind === 'refused') return refuseProblems(patch.problems)
    if (before.status !== 'READY') {
      const message = `The disk ${before.id} is ${before.status}: it can't be changed.`
      return refuse('WRONG_STATE', { message })
    }
    const growsInUse = before.user !== undefined && patch.value.sizeGb > before.sizeGb
    const change = { before, patch: patch.value, idempotency }
    const outcome = growsInUse
      ? await growWithInstance(request, change, ports)
      : await write(request, change, ports)
    if (outcome !== 'again') return outcome
    if (attempt === maximumAttempts) {
      return refuse('TRY_AGAIN', {
        message: 'The disk changes at this moment; repeat the request in a second.',
      })
    }
  }
}

interface DiskChange {
  readonly before: DiskRecord
  readonly patch: PatchedDisk
  readonly idempotency: IdempotencyKey | undefined
}

async function write(
  { project, idempotencyKey, ifRevision }: AskedOfOne,
  { before, patch, idempotency }: DiskChange,
  { store, clock }: OperationPorts,
): Promise<Outcome<AcceptedDisk> | 'again'> {
  const outcome: UpdateDiskOutcome = await store.updateDisk({
    ...{ ...patch, project, idOrUid: before.uid, ifRevision: before.revision, nowMs: clock.nowMs() },
    ...(idempotency === undefined ? {} : { idempotency }),
  })
  switch (outcome.kind) {
    case 'updated':
      return done({ disk: outcome.disk })
    case 'not-found':
      return refuseDisk(project, before.id)
    case 'revision-mismatch':
      return ifRevision === undefined ? 'again' : refuse('REVISION_MISMATCH', outcome)
    case 'in-use':
      return 'again'
    case 'quota-exceeded':
      return refuseQuota(outcome)
    case 'claim-lost': {
      const message = `The host that has the disk ${before.id} has too little disk space left. Ask for less, or try again later.`
      return refuse('POOL_CAPACITY_EXCEEDED', { message }, 'sizeGb')
    }
    case 'replay':
    case 'gone':
    case 'other-request':
      return answerKey(outcome, idempotencyKey)
  }
}

async function growWithInstance(
  { project, principal, requestId, ifRevision }: AskedOfOne,
  { before, patch }: DiskChange,
  ports: OperationPorts,
): Promise<Outcome<AcceptedDisk> | 'again'> {
  const outcome = await changeInstance(
    {
      ...{ verb: 'resizeDisk', project, idOrUid: before.user?.uid ?? '', principal, requestId, body: null },
      resize: { ...patch, diskUid: before.uid, ifRevision: before.revision },
    },
    ports,
  )
  if (outcome.kind === 'refused') {
    const { reason } = outcome.problems[0]
    const isBehind = reason === 'REVISION_MISMATCH' || reason === 'NOT_FOUND'
    return isBehind && ifRevision === undefined ? 'again' : outcome
  }
  const disk = await ports.store.findDisk(project, before.uid)
  return disk === undefined
    ? refuseDisk(project, before.id)
    : done({ disk, operationId: outcome.value.operationId })
}

/** Deleting twice is deleting once. */
export async function deleteDisk(request: AskedOfOne, ports: OperationPorts): Promise<Outcome<AcceptedDisk>> {
  const { project, idOrUid } = request
  const outcome = await ports.store.deleteDisk({
    ...request,
    operationId: operationId(ports.random.uuid()),
    commandId: ports.random.uuid(),
    nowMs: ports.clock.nowMs(),
  })
  switch (outcome.kind) {
    case 'gone':
      return done({ disk: outcome.disk })
    case 'deleting':
      if (outcome.disk.hostId !== undefined) ports.dispatch.nudge(outcome.disk.hostId)
      return done({ disk: outcome.disk, operationId: outcome.disk.operationId })
    case 'not-found':
      return refuseDisk(project, idOrUid)
    case 'revision-mismatch':
      return refuse('REVISION_MISMATCH', outcome)
    case 'in-use': {
      const message = `The disk ${idOrUid} belongs to instance ${outcome.instance}: detach it, or delete the instance, first.`
      return refuse('DISK_IN_USE', { message })
    }
  }
}

export const refuseDisk = (project: ProjectId, id: string): Refusal =>
  refuse('NOT_FOUND', { what: 'Disk', id, where: `project ${project}` })

function refuseProblems([first, ...others]: readonly Refusal['problems'][0][]): Refusal {
  if (first === undefined) throw new Error('A refusal of admission has no problem in it.')
  return refuseAll([first, ...others])
}

function keyOf(
  { project, principal, idempotencyKey: key }: Asked,
  { method, name, body }: { method: string; name: string; body: unknown },
): { idempotency?: IdempotencyKey } {
  if (key === undefined) return {}
  return { idempotency: idempotencyKeyOf({ project, principal, key, method, path: `disks/${name}`, body }) }
}

function answerKey(known: Exclude<DiskKeyOutcome, { kind: 'unused' }>, key = ''): Outcome<AcceptedDisk> {
  switch (known.kind) {
    case 'replay':
      return done({
        disk: known.disk,
        ...(known.operationId === '' ? {} : { operationId: known.operationId }),
      })
    case 'gone':
      return refuse('IDEMPOTENCY_KEY_SPENT', { key, uid: known.uid })
    case 'other-request':
      return refuse('IDEMPOTENCY_KEY_REUSED', { key })
  }
}
