// The region that benchmarks ask: one zone, projects with a network each, and a token for an editor of them all.
import { writeFileSync } from 'node:fs'
import { createServer } from 'node:net'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { v7 } from 'uuid'
import { stringify } from 'yaml'

export const agentToken = 'for-benchmarks-on-loopback'
export const zone = 'us1-a'
export const gpuType = 'nvidia-h100-80gb'
/** Of the agents' hosts. */
export const gpuPciId = { vendorId: '10de', deviceId: '2330' }
export const instanceType = `/v1/regions/us-texas-1/zones/${zone}/instance-types/g1-h100-1`

/** Every host of a network is told of every member: one that all of a region is in would be no benchmark of creates. */
const projects = Array.from({ length: 100 }, (_, index) => `project-${index}`)

/** Turns of the projects. */
export const instancesPath = (turn: number): string =>
  `/v1/regions/us-texas-1/projects/${projects[turn % projects.length]}/compute/instances`

export const hostIdOf = (index: number): string => `bench-${String(index).padStart(5, '0')}`

export interface RegionFiles {
  readonly settingsPath: string
  readonly databasePath: string
  readonly httpPort: number
  readonly agentsPort: number
  /** Of an editor. */
  readonly token: string
}

export async function writeSettings(directory: string): Promise<RegionFiles> {
  const issuer = 'https://issuer.example.net'
  const { privateKey, publicKey } = await generateKeyPair('EdDSA')
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'EdDSA' }] }
  const token = await new SignJWT({ sub: 'alice', iss: issuer, aud: 'berth', berth_roles: ['*:editor'] })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'one' })
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(privateKey)
  const [httpPort = 0, agentsPort = 0] = await findFreePorts(2)
  const databasePath = join(directory, 'scheduler.sqlite')
  const settingsPath = join(directory, 'scheduler.yaml')
  const settings = {
    region: 'us-texas-1',
    http: { port: httpPort, requestsPerMinute: 1_000_000_000 },
    agents: { port: agentsPort, token: agentToken },
    store: { path: databasePath },
    auth: { issuer, audience: 'berth', jwks },
    zones: [
      {
        id: zone,
        acceleratorTypes: [{ id: gpuType, pciIds: [`${gpuPciId.vendorId}:${gpuPciId.deviceId}`] }],
        instanceTypes: [
          {
            ...{ id: 'g1-h100-1', vcpus: 16, memoryMib: 131_072, defaultImage: 'debian-12' },
            gpus: { type: gpuType, count: 1 },
          },
        ],
      },
    ],
    images: [
      {
        ...{ id: 'debian-12', url: 'file:///simulated/debian-12.raw', sha256: 'a'.repeat(64) },
        ...{ format: 'raw', sizeGb: 2 },
      },
    ],
    projects: projects.map((id) => ({
      id,
      networks: [{ id: 'default', uid: v7(), subnet: { id: 'default', ipv4Cidr: '10.0.0.0/8' } }],
    })),
  }
  writeFileSync(settingsPath, stringify(settings))
  return { settingsPath, databasePath, httpPort, agentsPort, token }
}

/** Held together, so that they differ. */
async function findFreePorts(count: number): Promise<readonly number[]> {
  const servers = await Promise.all(
    Array.from(
      { length: count },
      () =>
        new Promise<ReturnType<typeof createServer>>((resolve) => {
          const server = createServer().listen(0, '127.0.0.1', () => resolve(server))
        }),
    ),
  )
  const ports = servers.map((server) => (server.address() as { port: number }).port)
  await Promise.all(servers.map((server) => new Promise((resolve) => server.close(resolve))))
  return ports
}
