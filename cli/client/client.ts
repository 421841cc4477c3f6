// The API as functions, for the commands. In: a context. Out: resources, or an ApiError with the server's own words.
// Never prints, never decides what to do about an error.
import type { Context } from '../context/context.ts'
import { ApiError } from './api-error.ts'
import { type ConsoleConnection, connectConsole } from './console.ts'
import { createHttp, type Http, type HttpOptions } from './http.ts'
import { connectLastingConsole, type LastingListeners, type LastingOptions } from './lasting-console.ts'
import type {
  Capacity,
  CapacityAdvice,
  Device,
  Disk,
  DiskPatch,
  GuestAttribute,
  Host,
  Instance,
  InstanceBatch,
  InstanceBatchPlan,
  InstanceEvent,
  InstancePatch,
  InstancePlacement,
  InstancePlan,
  InstanceRequest,
  Operation,
  SerialOutput,
} from './resources.ts'
import { type WatchOptions, watchStream } from './watch.ts'

export interface ListWish {
  readonly filter?: string
  readonly orderBy?: string
  /** The first so many, at least 1; all where absent. */
  readonly limit?: number
}

export type Most = Pick<ListWish, 'limit'>

/** What every resource has. */
export interface Resource {
  readonly id: string
}

export interface ChangeRequest {
  readonly id: string
  readonly verb: 'start' | 'stop' | 'suspend' | 'resume' | 'restart' | 'reset' | 'attachDisk' | 'detachDisk'
  readonly body?: object
  readonly idempotencyKey: string
}

export interface CollectionChange {
  readonly method: 'POST' | 'PATCH' | 'PUT' | 'DELETE'
  /** As in listCollection, with the id where there is one. */
  readonly path: string
  readonly body?: object
  readonly idempotencyKey?: string
}

export interface DeviceChange {
  readonly host: string
  readonly address: string
  readonly verb: 'release' | 'quarantine' | 'reset'
  readonly body?: { readonly reason: string }
  readonly idempotencyKey: string
}

export interface Client {
  createInstance(request: { body: InstanceRequest; idempotencyKey: string }): Promise<Instance>
  /** All of them or none. */
  createInstances(request: { body: InstanceBatch; idempotencyKey: string }): Promise<Instance[]>
  getInstance(id: string): Promise<Instance>
  listInstances(wish?: ListWish): Promise<Instance[]>
  /** Follows changes until the signal comes; what there is comes first. Goes on where a cut stream ended. */
  watchInstances(options: WatchOptions): Promise<void>
  /** A create without the create. */
  planInstance(body: InstanceRequest): Promise<InstancePlan>
  planInstances(body: InstanceBatch): Promise<InstanceBatchPlan>
  deleteInstance(id: string): Promise<void>
  /** A verb on an instance; the same key twice is one request. */
  changeInstance(request: ChangeRequest): Promise<Instance>
  /** A merge patch: what is null goes, what is absent stays. */
  updateInstance(request: { id: string; patch: InstancePatch; idempotencyKey: string }): Promise<Instance>
  /** A merge patch. */
  updateDisk(request: { id: string; patch: DiskPatch; idempotencyKey: string }): Promise<Disk>
  getOperation(id: string): Promise<Operation>
  listOperations(): Promise<Operation[]>
  /** Any collection of the region or the project, as the API has it. */
  listCollection(path: string, plural: string, most?: Most): Promise<Resource[]>
  /** undefined where there is none of that name. */
  readInCollection(path: string, id: string): Promise<Resource | undefined>
  /** Makes, changes or deletes in a collection; of a delete nothing is left to answer. */
  changeCollection(request: CollectionChange): Promise<Resource>
  listEvents(id: string): Promise<InstanceEvent[]>
  /** Below NAMESPACE/ or of NAMESPACE/KEY, where one is given. */
  readGuestAttributes(id: string, queryPath?: string): Promise<readonly GuestAttribute[]>
  readSerial(request: { id: string; start: string }): Promise<SerialOutput>
  /** Goes on over connections that break. */
  openConsole(id: string, listeners: LastingListeners): Promise<ConsoleConnection>
  /** For operators. */
  changeHost(request: { id: string; verb: string; body?: object }): Promise<Host>
  updateHost(request: { id: string; patch: object }): Promise<Host>
  listHosts(): Promise<Host[]>
  listDevices(host: string): Promise<Device[]>
  getDevice(host: string, address: string): Promise<Device>
  changeDevice(request: DeviceChange): Promise<Device>
  getCapacity(): Promise<Capacity>
  adviseCapacity(wanted: { zone: string; gpuType: string; gpus: string }): Promise<CapacityAdvice>
  /** For operators: why it is where it is. */
  getPlacement(id: string): Promise<InstancePlacement>
}

export type ClientOptions = Pick<HttpOptions, 'clock' | 'random'> & { readonly context: Context }

export function createClient({ context, clock, random }: ClientOptions): Client {
  const http = createHttp({ server: context.server, token: context.token, clock, random })
  const region = `/v1/regions/${encodeURIComponent(context.region)}`
  const project = `${region}/projects/${encodeURIComponent(context.project)}`
  const instances = `${project}/compute/instances`
  const disks = `${project}/compute/disks`
  const pathOf = (id: string) => `${instances}/${encodeURIComponent(id)}`
  const devicesOf = (host: string) => `${region}/hosts/${encodeURIComponent(host)}/devices`
  // Its colons are as good in a path as in an address.
  const addressIn = (address: string) => encodeURIComponent(address).replaceAll('%3A', ':')
  const collectionAt = (path: string) =>
    path.startsWith('project/') ? `${project}/${path.slice(8)}` : `${region}/${path}`
  return {
    createInstance: ({ body, idempotencyKey }) =>
      http({ method: 'POST', path: instances, body, headers: { 'idempotency-key': idempotencyKey } }),
    createInstances: async ({ body, idempotencyKey }) => {
      const path = `${instances}:batchCreate`
      const headers = { 'idempotency-key': idempotencyKey }
      const batch = await http<{ instances: Instance[] }>({ method: 'POST', path, body, headers })
      return batch.instances
    },
    getInstance: (id) => http({ method: 'GET', path: pathOf(id) }),
    listInstances: (wish) => readPages<'instances', Instance>(http, instances, 'instances', wish),
    watchInstances: (options) =>
      watchStream({ url: `${context.server}${instances}`, token: context.token, clock, random, ...options }),
    planInstance: (body) => http({ method: 'POST', path: `${instances}:plan`, body }),
    planInstances: (body) => http({ method: 'POST', path: `${instances}:batchPlan`, body }),
    deleteInstance: async (id) => {
      await http({ method: 'DELETE', path: pathOf(id) })
    },
    changeInstance: ({ id, verb, body, idempotencyKey }) =>
      http({
        method: 'POST',
        path: `${pathOf(id)}:${verb}`,
        ...(body === undefined ? {} : { body }),
        headers: { 'idempotency-key': idempotencyKey },
      }),
    updateInstance: ({ id, patch, idempotencyKey }) =>
      http({
        method: 'PATCH',
        path: pathOf(id),
        body: patch,
        headers: { 'idempotency-key': idempotencyKey },
      }),
    updateDisk: ({ id, patch, idempotencyKey }) =>
      http({
        method: 'PATCH',
        path: `${disks}/${encodeURIComponent(id)}`,
        body: patch,
        headers: { 'idempotency-key': idempotencyKey },
      }),
    getOperation: (id) =>
      http({ method: 'GET', path: `${project}/compute/operations/${encodeURIComponent(id)}` }),
    listOperations: () =>
      readPages<'operations', Operation>(http, `${project}/compute/operations`, 'operations'),
    listCollection: (path, plural, most) =>
      readPages<string, Resource>(http, collectionAt(path), plural, most),
    readInCollection: (path, id) =>
      http<Resource>({ method: 'GET', path: `${collectionAt(path)}/${encodeURIComponent(id)}` }).catch(
        (thrown: unknown) => {
          if (thrown instanceof ApiError && thrown.status === 404) return undefined
          throw thrown
        },
      ),
    changeCollection: ({ method, path, body, idempotencyKey }) =>
      http({
        ...{ method, path: collectionAt(path) },
        ...(body === undefined ? {} : { body }),
        ...(idempotencyKey === undefined ? {} : { headers: { 'idempotency-key': idempotencyKey } }),
      }),
    listEvents: async (id) => {
      const { events } = await http<{ events: InstanceEvent[] }>({
        method: 'GET',
        path: `${pathOf(id)}/events`,
      })
      return events
    },
    readSerial: async ({ id, start }) => {
      const query = new URLSearchParams({ port: '1', start })
      const output = await http<SerialOutput>({ method: 'GET', path: `${pathOf(id)}/serialPort?${query}` })
      return { contents: output.contents, start: String(output.start), next: String(output.next) }
    },
    openConsole: (id, listeners) => {
      const at = { url: `${context.server}${pathOf(id)}/console`, token: context.token }
      const connect: LastingOptions['connect'] = (start, each) => connectConsole({ ...at, start }, each)
      return connectLastingConsole({ connect, clock, random }, listeners)
    },
    readGuestAttributes: async (id, queryPath) => {
      const query = queryPath === undefined ? '' : `?${new URLSearchParams({ queryPath })}`
      const path = `${pathOf(id)}/guestAttributes${query}`
      const { queryValue } = await http<{ queryValue: { items: GuestAttribute[] } }>({ method: 'GET', path })
      return queryValue.items
    },
    changeHost: ({ id, verb, ...body }) =>
      http({ method: 'POST', path: `${region}/hosts/${encodeURIComponent(id)}:${verb}`, ...body }),
    updateHost: ({ id, patch }) =>
      http({ method: 'PATCH', path: `${region}/hosts/${encodeURIComponent(id)}`, body: patch }),
    listHosts: () => readPages<'hosts', Host>(http, `${region}/hosts`, 'hosts'),
    listDevices: (host) => readPages<'devices', Device>(http, devicesOf(host), 'devices'),
    getDevice: (host, address) => http({ method: 'GET', path: `${devicesOf(host)}/${addressIn(address)}` }),
    changeDevice: ({ host, address, verb, body, idempotencyKey }) =>
      http({
        method: 'POST',
        path: `${devicesOf(host)}/${addressIn(address)}:${verb}`,
        ...(body === undefined ? {} : { body }),
        headers: { 'idempotency-key': idempotencyKey },
      }),
    getCapacity: () => http({ method: 'GET', path: `${region}/capacity` }),
    adviseCapacity: (wanted) =>
      http({ method: 'GET', path: `${region}/capacity:advise?${new URLSearchParams(wanted)}` }),
    getPlacement: (id) => http({ method: 'GET', path: `${pathOf(id)}/placement` }),
  }
}

const largestPage = 500

async function readPages<Plural extends string, Item>(
  http: Http,
  path: string,
  plural: Plural,
  { limit = Number.POSITIVE_INFINITY, ...wish }: ListWish = {},
): Promise<Item[]> {
  const all: Item[] = []
  for (let pageToken: string | undefined = ''; pageToken !== undefined && all.length < limit; ) {
    const query = new URLSearchParams({
      ...wish,
      pageSize: String(Math.min(limit - all.length, largestPage)),
      ...(pageToken === '' ? {} : { pageToken }),
    })
    const page: Record<Plural, Item[]> & { nextPageToken?: string } = await http({
      method: 'GET',
      path: `${path}?${query}`,
    })
    all.push(...page[plural])
    pageToken = page.nextPageToken
  }
  return all
}
