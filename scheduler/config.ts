// The scheduler's settings file: every setting with its type and default. What YAML can't say by shape alone (two
// things of one name, a reference to nothing) is checked after, with a sentence for each mistake.

import { type Static, Type } from 'typebox'
import { ConfigError, readConfigFile } from '../lib/config.ts'
import { imageIdPattern, resourceIdPattern } from '../proto/ids.ts'
import { findCatalogueProblems } from './admission/catalogue-problems.ts'
import { isLoopback } from './loopback.ts'
import { defaultPhysicalNetwork, firmwares, metadataFlavours } from './model/catalogue.ts'
import { unscrubbedPolicies } from './model/device.ts'
import { ingressPolicies, internetAccesses } from './model/firewall.ts'

const closed = { additionalProperties: false } as const
const resourceId = Type.String({ maxLength: 63, pattern: resourceIdPattern })
const imageId = Type.String({ maxLength: 63, pattern: imageIdPattern })
const port = Type.Integer({ minimum: 0, maximum: 65_535 })
const path = Type.String({ minLength: 1 })
const sha256 = Type.String({ pattern: '^[0-9a-f]{64}$' })
const blob = Type.Object({ url: path, sha256 }, closed)
const vlan = Type.Integer({ minimum: 1, maximum: 4094 })
const uuid = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' })

const acceleratorType = Type.Object(
  {
    id: resourceId,
    description: Type.Optional(Type.String()),
    pciIds: Type.Array(Type.String({ pattern: '^[0-9a-f]{4}:[0-9a-f]{4}$' }), { minItems: 1 }),
    memoryGb: Type.Optional(Type.Integer({ minimum: 1 })),
    maximumPerInstance: Type.Integer({ minimum: 1, maximum: 64, default: 8 }),
  },
  closed,
)

const instanceType = Type.Object(
  {
    id: resourceId,
    description: Type.Optional(Type.String()),
    vcpus: Type.Integer({ minimum: 1, maximum: 512 }),
    memoryMib: Type.Integer({ minimum: 128, maximum: 16_777_216 }),
    /** What passes each NIC in each direction; no limit where absent. */
    networkMbps: Type.Optional(Type.Integer({ minimum: 1, maximum: 100_000 })),
    gpus: Type.Optional(
      Type.Object({ type: resourceId, count: Type.Integer({ minimum: 1, maximum: 64 }) }, closed),
    ),
    defaultImage: Type.Optional(imageId),
  },
  closed,
)

const zone = Type.Object(
  {
    id: resourceId,
    description: Type.Optional(Type.String()),
    cpuOvercommit: Type.Number({ minimum: 1, maximum: 64, default: 1 }),
    /** What nothing has scrubbed is kept for its last guest's project, or reused by anybody. */
    unscrubbedDevices: Type.Optional(Type.Enum([...unscrubbedPolicies])),
    instanceTypes: Type.Array(instanceType, { minItems: 1 }),
    acceleratorTypes: Type.Array(acceleratorType, { default: [] }),
  },
  closed,
)

const image = Type.Object(
  {
    id: imageId,
    family: Type.Optional(Type.String()),
    description: Type.Optional(Type.String()),
    url: path,
    sha256,
    format: Type.Enum(['raw', 'qcow2']),
    architecture: Type.Enum(['x86_64', 'aarch64'], { default: 'x86_64' }),
    sizeGb: Type.Integer({ minimum: 1, maximum: 65_536 }),
    metadataFlavour: Type.Enum([...metadataFlavours], { default: 'NOCLOUD' }),
    seedDisk: Type.Optional(Type.Boolean()),
    firmware: Type.Optional(Type.Enum([...firmwares])),
    directKernel: Type.Optional(
      Type.Object({ kernel: blob, initrd: blob, commandLine: Type.String() }, closed),
    ),
  },
  closed,
)

const network = Type.Object(
  {
    id: resourceId,
    description: Type.Optional(Type.String()),
    uid: uuid,
    subnet: Type.Object(
      { id: resourceId, ipv4Cidr: Type.String(), ipv6Cidr: Type.Optional(Type.String()) },
      closed,
    ),
    vlan: Type.Integer({ minimum: 0, maximum: 4094, default: 0 }),
    /** Whose uplinks carry the VLAN, as agents name it. */
    physicalNetwork: Type.Optional(resourceId),
    mtu: Type.Integer({ minimum: 1280, maximum: 9216, default: 1500 }),
    defaultIngress: Type.Optional(Type.Enum([...ingressPolicies])),
    internetAccess: Type.Optional(Type.Enum([...internetAccesses])),
  },
  closed,
)

const project = Type.Object(
  {
    id: resourceId,
    displayName: Type.Optional(Type.String()),
    description: Type.Optional(Type.String()),
    networks: Type.Array(network, { minItems: 1 }),
  },
  closed,
)

export const AuthSettings = Type.Object(
  {
    issuer: Type.String({ minLength: 1 }),
    audience: Type.String({ minLength: 1 }),
    /** Pinned: a token can't choose its own. Symmetric ones and none are not possible. */
    algorithms: Type.Array(
      Type.Enum(['EdDSA', 'ES256', 'ES384', 'ES512', 'RS256', 'RS384', 'RS512', 'PS256', 'PS384', 'PS512']),
      { minItems: 1, default: ['EdDSA', 'ES256', 'RS256'] },
    ),
    /** Keys to verify with: at an address, or here. Without either the issuer is asked (OpenID Connect Discovery). */
    jwksUri: Type.Optional(Type.String({ pattern: '^https?://' })),
    jwks: Type.Optional(
      Type.Object({ keys: Type.Array(Type.Object({ kty: Type.String() }), { minItems: 1 }) }),
    ),
    /** What `berth login` is to the issuer: a public client that may use the device flow. Without it the CLI is told one. */
    cli: Type.Optional(
      Type.Object(
        {
          clientId: Type.String({ minLength: 1 }),
          scopes: Type.Array(Type.String(), { default: ['openid', 'offline_access'] }),
        },
        closed,
      ),
    ),
    clockSkewSeconds: Type.Integer({ minimum: 0, maximum: 300, default: 30 }),
    /** The claim with the roles, or a dotted path to it. */
    roleClaim: Type.String({ minLength: 1, default: 'berth_roles' }),
    /** Values of that claim in the issuer's words → roles in Berth's. Others are read as Berth's own. */
    roleMapping: Type.Unsafe<Readonly<Record<string, readonly string[]>>>({
      type: 'object',
      additionalProperties: { type: 'array', items: { type: 'string' } },
      default: {},
    }),
  },
  closed,
)

export const Settings = Type.Object(
  {
    region: resourceId,
    logLevel: Type.Enum(['debug', 'info', 'warn', 'error'], { default: 'info' }),
    http: Type.Object(
      {
        host: Type.String({ default: '127.0.0.1' }),
        port: port,
        /** Of one principal; what is beyond it is answered 429. */
        requestsPerMinute: Type.Integer({ minimum: 1, default: 6000 }),
      },
      closed,
    ),
    agents: Type.Object(
      {
        host: Type.String({ default: '127.0.0.1' }),
        port: port,
        /** The secret that agents share with the scheduler; in a file of its own rather than here. */
        token: Type.Optional(Type.String({ minLength: 16 })),
        tokenFile: Type.Optional(path),
        tls: Type.Optional(Type.Object({ certificateFile: path, keyFile: path }, closed)),
      },
      closed,
    ),
    store: Type.Object({ path }, closed),
    /** Who guests' identity tokens are from: an address at which verifiers find /v1/regions/REGION/identity of this API. */
    identity: Type.Optional(
      Type.Object({ issuer: Type.String({ pattern: '^https?://[^?#]+[^/?#]$' }) }, closed),
    ),
    auth: AuthSettings,
    hostnameTemplate: Type.String({ default: '[INSTANCE_NAME].[ZONE].c.[PROJECT_ID].internal' }),
    zones: Type.Array(zone, { minItems: 1 }),
    /** VLANs that networks made by request get, each its own. Without it they are local to each host. */
    vlanPool: Type.Optional(Type.Object({ first: vlan, last: vlan }, closed)),
    /** Where uploaded images are kept, and where hosts find this API to fetch them. Without it nothing can be uploaded. */
    imageStore: Type.Optional(
      Type.Object(
        {
          directory: path,
          url: Type.String({ pattern: '^https?://[^/]+$' }),
          limitGb: Type.Integer({ minimum: 1, default: 100 }),
        },
        closed,
      ),
    ),
    images: Type.Array(image, { default: [] }),
    projects: Type.Array(project, { default: [] }),
  },
  closed,
)

export type Settings = Static<typeof Settings>
export type AuthSettings = Static<typeof AuthSettings>

/** Where nothing is said, as this machine finds it. */
export const identityIssuerOf = ({ identity, http, region }: Settings): string =>
  identity?.issuer ?? `http://${http.host}:${http.port}/v1/regions/${region}/identity`

/** Reads and checks the whole file; throws a ConfigError that names every mistake of a kind at once. */
export function readSettings(file: string): Settings {
  const settings = readConfigFile(Settings, file)
  const problems = [...findSettingProblems(settings), ...findCatalogueProblems(settings)]
  if (problems.length > 0) throw new ConfigError(`Settings file ${file}: ${problems.join(' ')}`)
  return settings
}

/** What the file says that can not work: a sentence each. */
export function findSettingProblems({ auth, agents, vlanPool, projects }: Settings): readonly string[] {
  const problems: string[] = [...findSharedVlans(projects)]
  if (vlanPool !== undefined && vlanPool.first > vlanPool.last) {
    problems.push(`vlanPool goes from ${vlanPool.first} to ${vlanPool.last}: write the lower one first.`)
  }
  if (auth.jwksUri !== undefined && auth.jwks !== undefined) {
    problems.push('auth has both jwksUri and jwks: leave one out, or both to ask the issuer itself.')
  }
  if (auth.jwksUri === undefined && auth.jwks === undefined && !/^https?:\/\//.test(auth.issuer)) {
    problems.push(`auth.issuer ${auth.issuer} is no address to ask for keys: give jwksUri or jwks.`)
  }
  if ((agents.token === undefined) === (agents.tokenFile === undefined)) {
    problems.push('agents needs either token or tokenFile, the secret that agents show.')
  }
  if (agents.tls === undefined && !isLoopback(agents.host)) {
    problems.push(`agents.host ${agents.host} is not a loopback address: give agents.tls, or use 127.0.0.1.`)
  }
  return problems
}

/** Two networks on one VLAN would be one network. */
function findSharedVlans(projects: Settings['projects']): readonly string[] {
  const holders = new Map<string, string>()
  const problems: string[] = []
  for (const project of projects) {
    for (const { id, vlan, physicalNetwork = defaultPhysicalNetwork } of project.networks) {
      if (vlan === 0) continue
      const name = `${id} of ${project.id}`
      const holder = holders.get(`${vlan} ${physicalNetwork}`)
      if (holder !== undefined)
        problems.push(`Networks ${holder} and ${name} both have VLAN ${vlan}: give one another.`)
      holders.set(`${vlan} ${physicalNetwork}`, name)
    }
  }
  return problems
}
