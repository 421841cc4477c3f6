// Instance types: those that a zone offers to everybody, and those that a project makes for itself.
import { resourceUid } from '../../../proto/ids.ts'
import { resolveAcceleratorType } from '../../admission/gpus.ts'
import { resolveImage } from '../../admission/image.ts'
import { problemsOf, type Resolution, resolved } from '../../admission/resolution.ts'
import type { CreateInstanceType, CreateProjectInstanceType } from '../../admission/resource-requests.ts'
import { type Problem, problem, refuse, refuseAll } from '../../errors.ts'
import type { Zone } from '../../model/catalogue.ts'
import { scopeOf } from '../../model/resource.ts'
import type { CreateResource } from '../../store/resource-store.ts'
import { done, type Outcome } from '../outcome.ts'
import type { OperationPorts } from '../ports.ts'
import type { Planned } from './change-resource.ts'

type Ports = Pick<OperationPorts, 'catalogue' | 'clock' | 'random'>
interface Asked<Body> {
  readonly body: Body
  readonly serverHost: string
}

export function planZoneType(
  { zone, ...asked }: Asked<CreateInstanceType> & { readonly zone: Zone },
  ports: Ports,
): Planned {
  const body = resolveBody(asked, zone, ports)
  if (body.kind === 'refused') return body
  return done([rowOf(asked.body.id, scopeOf.zone(zone.id), { body: body.value }, ports)])
}

export function planProjectType(
  { project: id, ...asked }: Asked<CreateProjectInstanceType> & { readonly project: string },
  ports: Ports,
): Planned {
  const project = ports.catalogue.projects.find((candidate) => candidate.id === id)
  if (project === undefined) return refuse('PROJECT_NOT_FOUND', { id })
  const zone = findZone(asked.body.zone, ports)
  if (zone.kind === 'refused') return zone
  const body = resolveBody(asked, zone.value, ports)
  if (body.kind === 'refused') return body
  const content = { body: { ...body.value, zone: zone.value.id }, parentUid: project.meta.uid }
  return done([rowOf(asked.body.id, scopeOf.project(id), content, ports)])
}

function rowOf(
  id: string,
  scope: string,
  content: Pick<CreateResource, 'body' | 'parentUid'>,
  { random, clock }: Ports,
): CreateResource {
  const uid = resourceUid(random.uuid())
  return { ...content, uid, collection: 'instance-types', scope, id, nowMs: clock.nowMs() }
}

function resolveBody(
  { body, serverHost }: Asked<CreateInstanceType>,
  zone: Zone,
  { catalogue }: Ports,
): Outcome<CreateResource['body']> {
  // Images and accelerator types are no project's.
  const context = { catalogue, project: { id: '' }, serverHost }
  const { id, gpus, defaultImage, description, vcpus, memoryMib, networkMbps } = body
  const gpu: Resolution<{ readonly id: string } | undefined> =
    gpus === undefined
      ? resolved(undefined)
      : resolveAcceleratorType({ text: gpus.type, field: 'gpus.type' }, zone, context)
  const image: Resolution<{ readonly id: string } | undefined> =
    defaultImage === undefined ? resolved(undefined) : resolveImage(defaultImage, 'defaultImage', context)
  const problems: Problem[] = [...problemsOf([gpu, image])]
  if (id.startsWith('custom-')) {
    const message = 'Names that begin with custom- say what they are by themselves; choose another.'
    problems.push(problem('INVALID_VALUE', { message }, 'id'))
  }
  const [first, ...others] = problems
  if (first !== undefined) return refuseAll([first, ...others])
  const type = gpu.kind === 'resolved' ? gpu.value?.id : undefined
  const boots = image.kind === 'resolved' ? image.value?.id : undefined
  return done({
    ...{ vcpus, memoryMib },
    ...(networkMbps === undefined ? {} : { networkMbps }),
    ...(description === undefined ? {} : { description }),
    ...(gpus === undefined || type === undefined ? {} : { gpus: { type, count: gpus.count } }),
    ...(boots === undefined ? {} : { defaultImage: boots }),
  })
}

function findZone(text: string | undefined, { catalogue }: Ports): Outcome<Zone> {
  const { zones, region } = catalogue
  const [only, ...others] = zones
  const known = zones.map(({ id }) => id)
  if (text === undefined) {
    if (only !== undefined && others.length === 0) return done(only)
    return refuse('MISSING_FIELD', { name: 'zone', why: `there is ${known.join(', ')}` }, 'zone')
  }
  const prefix = `/v1/regions/${region}/zones/`
  const id = text.startsWith(prefix) ? text.slice(prefix.length) : text
  const zone = zones.find((candidate) => candidate.id === id)
  return zone === undefined ? refuse('REFERENCE_NOT_FOUND', { what: 'Zone', id, known }, 'zone') : done(zone)
}
