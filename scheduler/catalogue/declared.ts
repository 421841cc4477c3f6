import { v5 } from 'uuid'
import { resourceUid } from '../../proto/ids.ts'
import type { Settings } from '../config.ts'
import type { Catalogue } from '../model/catalogue.ts'
import { type Collection, scopeOf } from '../model/resource.ts'
import type { DeclaredResource } from '../store/resource-store.ts'
import { assembleCatalogue, type CatalogueBase } from './assemble.ts'

/** What the settings file says, as rows: what others belong to comes first. */
export function declaredResources({ zones, images, projects }: Settings): readonly DeclaredResource[] {
  return [
    ...zones.flatMap(declareZone),
    ...images.map((image) => entry('images', scopeOf.region, image)),
    ...projects.flatMap(declareProject),
  ]
}

function declareZone({
  instanceTypes,
  acceleratorTypes,
  ...zone
}: Settings['zones'][number]): readonly DeclaredResource[] {
  const scope = scopeOf.zone(zone.id)
  return [
    entry('zones', scopeOf.region, zone),
    ...acceleratorTypes.map((type) => entry('accelerator-types', scope, type)),
    ...instanceTypes.map((type) => entry('instance-types', scope, type)),
  ]
}

function declareProject({ networks, ...project }: Settings['projects'][number]): readonly DeclaredResource[] {
  const top = entry('projects', scopeOf.region, project)
  const scope = scopeOf.project(project.id)
  return [
    top,
    ...networks.flatMap(({ subnet, uid, ...network }) => {
      const above = { ...entry('networks', scope, network), uid: resourceUid(uid), parent: top }
      return [above, { ...entry('subnets', scope, subnet), parent: above }]
    }),
  ]
}

function entry(
  collection: Collection,
  scope: string,
  { id, ...body }: { readonly id: string } & Readonly<Record<string, unknown>>,
): DeclaredResource {
  return { uid: declaredUid(collection, scope, id), collection, scope, id, body }
}

/** The same at every start, whoever asks. */
const namespace = '6f0c6b0e-7a0f-5d0e-9a57-6b5f2f6d2c11'
const declaredUid = (collection: Collection, scope: string, id: string) =>
  resourceUid(v5(`${collection}/${scope}/${id}`, namespace))

/** What never comes from the store. */
export const baseOf = ({ region, hostnameTemplate, vlanPool }: Settings): CatalogueBase => ({
  ...{ region, hostnameTemplate },
  ...(vlanPool === undefined ? {} : { vlanPool }),
})

/** The catalogue as the file alone has it. */
export const declaredCatalogue = (settings: Settings): Catalogue =>
  assembleCatalogue(
    baseOf(settings),
    declaredResources(settings).map(({ parent, ...resource }) => ({
      ...resource,
      ...(parent === undefined ? {} : { parentUid: parent.uid }),
      ...{ isDeclared: true, revision: 1, createdAtMs: 0, updatedAtMs: 0 },
    })),
  )
