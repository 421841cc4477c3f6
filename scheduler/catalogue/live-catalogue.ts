// What there is to choose from, as of now: the settings file's part and the store's. In: both. Out: a Catalogue that is
// always the newest one read. Never: decides what may be in it.
import type { Clock } from '../../lib/clock.ts'
import type { ResourceUid } from '../../proto/ids.ts'
import type { Settings } from '../config.ts'
import type { Catalogue } from '../model/catalogue.ts'
import type { StoredResource } from '../model/resource.ts'
import type { ResourceStore } from '../store/resource-store.ts'
import { assembleCatalogue } from './assemble.ts'
import { baseOf, declaredResources } from './declared.ts'

export interface LiveCatalogue extends Catalogue {
  /** Resolves once it shows what was committed before this call. */
  refresh(): Promise<void>
}

/** Brings what the file declares into the store, and reads all. */
export async function openCatalogue({
  store,
  settings,
  clock,
}: {
  readonly store: Pick<ResourceStore, 'declareResources' | 'readResourcesAfter'>
  readonly settings: Settings
  readonly clock: Clock
}): Promise<LiveCatalogue> {
  const base = baseOf(settings)
  const resources = new Map<ResourceUid, StoredResource>()
  let change = 0
  let newest = assembleCatalogue(base, [])

  const refresh = async () => {
    const news = await store.readResourcesAfter(change)
    if (news.change <= change) return
    change = news.change
    for (const uid of news.deleted) resources.delete(uid)
    for (const resource of news.resources) resources.set(resource.uid, resource)
    newest = assembleCatalogue(base, resources.values())
  }
  await store.declareResources({ resources: declaredResources(settings), nowMs: clock.nowMs() })
  await refresh()
  return {
    ...base,
    get zones() {
      return newest.zones
    },
    get images() {
      return newest.images
    },
    get projects() {
      return newest.projects
    },
    refresh,
  }
}
