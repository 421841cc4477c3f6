// Where resources live: the one place that knows how paths are put together and taken apart.

/** Paths of a region's resources, as answers and references have them. */
export function resourcePaths(region: string) {
  const root = `/v1/regions/${region}`
  const compute = (project: string) => `${root}/projects/${project}/compute`
  return {
    region: root,
    zone: (zone: string) => `${root}/zones/${zone}`,
    instanceType: (zone: string, type: string) => `${root}/zones/${zone}/instance-types/${type}`,
    acceleratorType: (zone: string, type: string) => `${root}/zones/${zone}/accelerator-types/${type}`,
    projectInstanceType: (project: string, type: string) => `${compute(project)}/instance-types/${type}`,
    image: (image: string) => `${root}/compute/images/${image}`,
    project: (project: string) => `${root}/projects/${project}`,
    instance: (project: string, id: string) => `${compute(project)}/instances/${id}`,
    operation: (project: string, id: string) => `${compute(project)}/operations/${id}`,
    disk: (project: string, id: string) => `${compute(project)}/disks/${id}`,
    network: (project: string, id: string) => `${compute(project)}/networks/${id}`,
    firewallRule: (project: string, network: string, id: string) =>
      `${compute(project)}/networks/${network}/firewall/${id}`,
    subnet: (project: string, id: string) => `${compute(project)}/subnets/${id}`,
    address: (project: string, id: string) => `${compute(project)}/addresses/${id}`,
    reservation: (project: string, id: string) => `${compute(project)}/reservations/${id}`,
    host: (host: string) => `${root}/hosts/${host}`,
    device: (host: string, address: string) => `${root}/hosts/${host}/devices/${address}`,
  }
}

export type Reference =
  | { readonly kind: 'id'; readonly id: string }
  | {
      readonly kind: 'path'
      readonly id: string
      readonly region: string
      readonly zone?: string
      readonly project?: string
    }
  | { readonly kind: 'malformed' }

/** Where each can live. */
export const collections = {
  'instance-types': ['zone', 'project'],
  'accelerator-types': ['zone'],
  images: ['region'],
  disks: ['project'],
  networks: ['project'],
  subnets: ['project'],
  reservations: ['project'],
} as const

export type Collection = keyof typeof collections

const patterns = {
  zone: /^\/v1\/regions\/(?<region>[^/]+)\/zones\/(?<zone>[^/]+)\/(?<collection>[^/]+)\/(?<id>[^/]+)$/,
  region: /^\/v1\/regions\/(?<region>[^/]+)\/compute\/(?<collection>[^/]+)\/(?<id>[^/]+)$/,
  project:
    /^\/v1\/regions\/(?<region>[^/]+)\/projects\/(?<project>[^/]+)\/compute\/(?<collection>[^/]+)\/(?<id>[^/]+)$/,
} as const

/** A path, a full URL of this server, or a bare id, all meaning one resource of the collection. */
export function parseReference(text: string, collection: Collection, serverHost: string): Reference {
  const path = withoutServer(text, serverHost)
  if (path === undefined || path === '') return { kind: 'malformed' }
  if (!path.includes('/')) return { kind: 'id', id: path }
  const groups = collections[collection]
    .map((place) => patterns[place].exec(path)?.groups)
    .find((found) => found?.['collection'] === collection)
  if (groups === undefined) return { kind: 'malformed' }
  const { region = '', id = '', zone, project } = groups
  return {
    kind: 'path',
    id,
    region,
    ...(zone === undefined ? {} : { zone }),
    ...(project === undefined ? {} : { project }),
  }
}

function withoutServer(text: string, serverHost: string): string | undefined {
  if (!/^https?:\/\//.test(text)) return text
  const url = URL.parse(text)
  return url?.host === serverHost && url.search === '' && url.hash === '' ? url.pathname : undefined
}
