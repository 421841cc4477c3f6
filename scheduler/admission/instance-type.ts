import { problem } from '../errors.ts'
import type { InstanceType, Zone } from '../model/catalogue.ts'
import { type LookupContext, type Resolution, refusedWith, resolved, resolveReference } from './resolution.ts'
import { resourcePaths } from './resource-path.ts'

export interface TypeInZone {
  readonly zone: Zone
  readonly type: InstanceType
  /** As answers have it. */
  readonly path: string
}

const field = 'type'

/** The type and, through it, the zone: the only place where a request says where it wants to be. */
export function resolveInstanceType(text: string, context: LookupContext): Resolution<TypeInZone> {
  const reference = resolveReference({ text, field, collection: 'instance-types' }, context)
  if (reference.kind === 'refused') return reference
  const { id, zone: zoneId, project } = reference.value
  const paths = resourcePaths(context.catalogue.region)
  const own = findOwnType(id, context, paths)
  if (project !== undefined) {
    if (own !== undefined) return resolved(own)
    const known = context.project.instanceTypes.map((type) => type.id)
    return refusedWith(problem('REFERENCE_NOT_FOUND', { what: 'Instance type', id, known }, field))
  }

  const zones = context.catalogue.zones.filter((zone) => zoneId === undefined || zone.id === zoneId)
  if (zones.length === 0) {
    const known = context.catalogue.zones.map((zone) => zone.id)
    return refusedWith(problem('REFERENCE_NOT_FOUND', { what: 'Zone', id: zoneId ?? '', known }, field))
  }
  const inZones = zones
    .map((zone) => ({ zone, type: typeOf(zone, id), path: paths.instanceType(zone.id, id) }))
    .filter(hasType)
  const found = own === undefined || zoneId !== undefined ? inZones : [...inZones, own]
  const [only, ...others] = found
  if (only !== undefined && others.length === 0) return resolved(only)
  if (only !== undefined) {
    const where = found.map(({ zone, path }) =>
      path === own?.path ? `project ${context.project.id}` : `zone ${zone.id}`,
    )
    return refusedWith(problem('REFERENCE_AMBIGUOUS', { what: 'Instance type', id, where }, field))
  }
  if (id.startsWith('custom-'))
    return refusedWith(problem('INVALID_CUSTOM_TYPE', { message: customRule }, field))
  const known = [
    ...zones.flatMap((zone) => zone.instanceTypes.map((type) => type.id)),
    ...context.project.instanceTypes.map((type) => type.id),
  ]
  return refusedWith(problem('REFERENCE_NOT_FOUND', { what: 'Instance type', id, known }, field))
}

/** One that the project has made for itself. */
function findOwnType(
  id: string,
  { catalogue, project }: LookupContext,
  paths: ReturnType<typeof resourcePaths>,
): TypeInZone | undefined {
  const type = project.instanceTypes.find((candidate) => candidate.id === id)
  const zone = catalogue.zones.find((candidate) => candidate.id === type?.zone)
  if (type === undefined || zone === undefined) return undefined
  return { zone, type, path: paths.projectInstanceType(project.id, id) }
}

/** What hosts need for it, as their agents name it. */
export const typeFeatures = ({ networkMbps }: InstanceType): readonly string[] =>
  networkMbps === undefined ? [] : ['rate-limit']

const hasType = (
  candidate: Omit<TypeInZone, 'type'> & { readonly type: InstanceType | undefined },
): candidate is TypeInZone => candidate.type !== undefined

const typeOf = (zone: Zone, id: string): InstanceType | undefined =>
  zone.instanceTypes.find((type) => type.id === id) ?? parseCustomType(id)

const customRule =
  'A custom type is custom-VCPUS-MEMORYMIB with 1 to 512 vCPUs and a memory of 256 to 16777216 MiB in steps of 256, e.g. custom-4-8192.'

/** custom-4-8192: four vCPUs and 8 GiB. */
export function parseCustomType(id: string): InstanceType | undefined {
  const match = /^custom-([1-9]\d{0,2})-([1-9]\d{0,7})$/.exec(id)
  if (match === null) return undefined
  const vcpus = Number(match[1])
  const memoryMib = Number(match[2])
  if (vcpus > 512 || memoryMib % 256 !== 0 || memoryMib > 16_777_216) return undefined
  return { id, vcpus, memoryMib }
}
