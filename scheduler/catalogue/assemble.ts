import type {
  AcceleratorType,
  Catalogue,
  CatalogueFirewallRule,
  CatalogueImage,
  CatalogueNetwork,
  CatalogueSubnet,
  InstanceType,
  Project,
  ProjectInstanceType,
  Zone,
} from '../model/catalogue.ts'
import { type Collection, type StoredResource, scopeOf } from '../model/resource.ts'

/** What the settings file alone says. */
export type CatalogueBase = Pick<Catalogue, 'region' | 'hostnameTemplate' | 'vlanPool'>

/** Rows as the catalogue that requests are held against, each list by id. */
export function assembleCatalogue(base: CatalogueBase, resources: Iterable<StoredResource>): Catalogue {
  const byPlace = groupByPlace(resources)
  const listOf = <Entry>(collection: Collection, scope: string): readonly Entry[] =>
    (byPlace.get(placeOf(collection, scope)) ?? [])
      .toSorted((a, b) => (a.id < b.id ? -1 : 1))
      .map((resource) => entryOf<Entry>(resource))
  return {
    ...base,
    zones: listOf<Zone>('zones', scopeOf.region).map((zone) => ({
      ...zone,
      instanceTypes: listOf<InstanceType>('instance-types', scopeOf.zone(zone.id)),
      acceleratorTypes: listOf<AcceleratorType>('accelerator-types', scopeOf.zone(zone.id)),
    })),
    images: listOf<CatalogueImage>('images', scopeOf.region),
    projects: listOf<Project>('projects', scopeOf.region).map((project) => {
      const scope = scopeOf.project(project.id)
      const subnets = new Map(
        (byPlace.get(placeOf('subnets', scope)) ?? []).map((subnet) => [
          subnet.parentUid,
          entryOf<CatalogueSubnet>(subnet),
        ]),
      )
      return {
        ...project,
        networks: listOf<CatalogueNetwork>('networks', scope).map((network) => {
          const subnet = subnets.get(network.meta.uid)
          return {
            ...network,
            ...(subnet === undefined ? {} : { subnet }),
            firewallRules: listOf<CatalogueFirewallRule>(
              'firewall-rules',
              scopeOf.network(project.id, network.id),
            ),
          }
        }),
        instanceTypes: listOf<ProjectInstanceType>('instance-types', scope),
      }
    }),
  }
}

const placeOf = (collection: Collection, scope: string) => `${collection} ${scope}`

function groupByPlace(resources: Iterable<StoredResource>): Map<string, StoredResource[]> {
  const groups = new Map<string, StoredResource[]>()
  for (const resource of resources) {
    const place = placeOf(resource.collection, resource.scope)
    const group = groups.get(place)
    if (group === undefined) groups.set(place, [resource])
    else group.push(resource)
  }
  return groups
}

/** Bodies were checked before they were stored. */
function entryOf<Entry>({ id, body, ...resource }: StoredResource): Entry {
  const { uid, isDeclared, revision, createdAtMs, updatedAtMs } = resource
  return { ...body, id, meta: { uid, isDeclared, revision, createdAtMs, updatedAtMs } } as Entry
}
