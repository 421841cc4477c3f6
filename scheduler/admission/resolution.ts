// The result of every step of admission, and what every step may look at.
import type { InstanceUid } from '../../proto/ids.ts'
import { type Problem, problem, type Reason } from '../errors.ts'
import type { Catalogue, Project } from '../model/catalogue.ts'
import type { DiskRecord } from '../model/disk.ts'
import type { StoredReservation } from '../model/resource.ts'
import { type Collection, parseReference, resourcePaths } from './resource-path.ts'

export type Resolution<Value> =
  | { readonly kind: 'resolved'; readonly value: Value }
  | { readonly kind: 'refused'; readonly problems: readonly Problem[] }

export interface AdmissionContext {
  readonly catalogue: Catalogue
  readonly project: Project
  /** Disks of the project that the request may mean. */
  readonly disks?: readonly DiskRecord[]
  /** Reservations of the project, where the request names one. */
  readonly reservations?: readonly StoredReservation[]
  /** Host and port under which the client reached this server: full URLs must name it. */
  readonly serverHost: string
  /** Made beforehand, since nothing is made up here. */
  readonly identity: {
    readonly uid: InstanceUid
    /** Taken where the request has no id. */
    readonly generatedId: string
    readonly createdAt: string
    readonly macAddresses: readonly string[]
  }
}

/** What is needed to look something up that is there already. */
export type LookupContext = Pick<AdmissionContext, 'catalogue' | 'project' | 'serverHost'>

/** What a reference is held against; outside of a project none of a project fits. */
export interface ReferenceContext extends Pick<AdmissionContext, 'serverHost'> {
  readonly catalogue: Pick<Catalogue, 'region'>
  readonly project: Pick<Project, 'id'>
}

export const resolved = <Value>(value: Value): Resolution<Value> => ({ kind: 'resolved', value })
export const refusedWith = (...problems: readonly Problem[]) => ({ kind: 'refused', problems }) as const

/** All values, or all problems. */
export function allResolved<Value>(resolutions: readonly Resolution<Value>[]): Resolution<readonly Value[]> {
  const problems = problemsOf(resolutions)
  if (problems.length > 0) return refusedWith(...problems)
  return resolved(resolutions.flatMap((one) => (one.kind === 'resolved' ? [one.value] : [])))
}

export const problemsOf = (resolutions: readonly Resolution<unknown>[]): readonly Problem[] =>
  resolutions.flatMap((one) => (one.kind === 'refused' ? one.problems : []))

/** The id that a reference names, once region and project are found to be the right ones. */
export function resolveReference(
  target: { readonly text: string; readonly field: string; readonly collection: Collection },
  context: ReferenceContext,
): Resolution<{ readonly id: string; readonly zone?: string; readonly project?: string }> {
  const { field, text, collection } = target
  const { region } = context.catalogue
  const refusal = <R extends Reason>(reason: R, parameters: Parameters<typeof problem<R>>[1]) =>
    refusedWith(problem(reason, parameters, field))

  const reference = parseReference(text, collection, context.serverHost)
  if (reference.kind === 'malformed') {
    const expected = examplesOf(region, context.project.id)[collection]
    return refusal('REFERENCE_MALFORMED', { given: text, expected })
  }
  if (reference.kind === 'id') return resolved({ id: reference.id })
  if (reference.region !== region) return refusal('WRONG_REGION', { given: reference.region, region })
  if (reference.project !== undefined && reference.project !== context.project.id) {
    return refusal('WRONG_PROJECT', { given: reference.project, project: context.project.id })
  }
  const { id, zone, project } = reference
  return resolved({
    id,
    ...(zone === undefined ? {} : { zone }),
    ...(project === undefined ? {} : { project }),
  })
}

function examplesOf(region: string, project: string): Readonly<Record<Collection, string>> {
  const paths = resourcePaths(region)
  return {
    'instance-types': paths.instanceType('ZONE', 'TYPE'),
    'accelerator-types': paths.acceleratorType('ZONE', 'TYPE'),
    images: paths.image('IMAGE'),
    disks: paths.disk(project, 'DISK'),
    networks: paths.network(project, 'NETWORK'),
    subnets: paths.subnet(project, 'SUBNET'),
    reservations: paths.reservation(project, 'RESERVATION'),
  }
}
