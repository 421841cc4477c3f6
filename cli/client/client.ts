// The API as functions, for the commands. In: a context. Out: resources, or an ApiError with the server's own words.
// Never prints, never decides what to do about an error.
import type { Context } from '../context/context.ts'
import { createHttp, type Http, type HttpOptions } from './http.ts'
import type { Host, Instance, InstanceEvent, InstanceRequest, Operation, SerialOutput } from './resources.ts'

export interface ChangeRequest {
  readonly id: string
  readonly verb: 'start' | 'stop' | 'restart' | 'reset'
  readonly body?: object
  readonly idempotencyKey: string
}

export interface Client {
  createInstance(request: { body: InstanceRequest; idempotencyKey: string }): Promise<Instance>
  getInstance(id: string): Promise<Instance>
  listInstances(): Promise<Instance[]>
  deleteInstance(id: string): Promise<void>
  /** A verb that brings a guest up or down; the same key twice is one request. */
  changeInstance(request: ChangeRequest): Promise<Instance>
  /** A merge patch: what is null goes, what is absent stays. */
  updateInstance(request: { id: string; patch: object; idempotencyKey: string }): Promise<Instance>
  getOperation(id: string): Promise<Operation>
  listEvents(id: string): Promise<InstanceEvent[]>
  readSerial(request: { id: string; start: string }): Promise<SerialOutput>
  /** For operators. */
  listHosts(): Promise<Host[]>
}

export type ClientOptions = Pick<HttpOptions, 'clock' | 'random'> & { readonly context: Context }

export function createClient({ context, clock, random }: ClientOptions): Client {
  const http = createHttp({ server: context.server, token: context.token, clock, random })
  const region = `/v1/regions/${encodeURIComponent(context.region)}`
  const project = `${region}/projects/${encodeURIComponent(context.project)}`
  const instances = `${project}/compute/instances`
  const pathOf = (id: string) => `${instances}/${encodeURIComponent(id)}`
  return {
    createInstance: ({ body, idempotencyKey }) =>
      http({ method: 'POST', path: instances, body, headers: { 'idempotency-key': idempotencyKey } }),
    getInstance: (id) => http({ method: 'GET', path: pathOf(id) }),
    listInstances: () => readPages<'instances', Instance>(http, instances, 'instances'),
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
    getOperation: (id) =>
      http({ method: 'GET', path: `${project}/compute/operations/${encodeURIComponent(id)}` }),
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
    listHosts: () => readPages<'hosts', Host>(http, `${region}/hosts`, 'hosts'),
  }
}

async function readPages<Plural extends string, Item>(
  http: Http,
  path: string,
  plural: Plural,
): Promise<Item[]> {
  const all: Item[] = []
  for (let pageToken: string | undefined = ''; pageToken !== undefined; ) {
    const query = new URLSearchParams({ pageSize: '500', ...(pageToken === '' ? {} : { pageToken }) })
    const page: Record<Plural, Item[]> & { nextPageToken?: string } = await http({
      method: 'GET',
      path: `${path}?${query}`,
    })
    all.push(...page[plural])
    pageToken = page.nextPageToken
  }
  return all
}
