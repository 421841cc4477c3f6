// The settings files of the daemons, as values: where they listen, what they trust, where their state lies.
import { type DevImage, makeDevCatalogue, regionId, zoneId } from './catalogue.ts'
import type { DataDirectory, RegionIdentity } from './data-directory.ts'
import { audience } from './identity.ts'

export interface RegionLayout {
  readonly directory: DataDirectory
  readonly identity: RegionIdentity
  readonly httpPort: number
}

export const issuerUrl = (identity: RegionIdentity) => `http://127.0.0.1:${identity.issuerPort}`

export function makeSchedulerSettings(
  { directory, identity, httpPort }: RegionLayout,
  images: readonly DevImage[],
): object {
  return {
    region: regionId,
    // A region of one's own, for load tests too.
    http: { host: '127.0.0.1', port: httpPort, requestsPerMinute: 1_000_000 },
    agents: { host: '127.0.0.1', port: identity.agentsPort, token: identity.agentToken },
    store: { path: directory.file('scheduler.sqlite') },
    imageStore: { directory: directory.file('images'), url: `http://127.0.0.1:${httpPort}` },
    auth: {
      issuer: issuerUrl(identity),
      audience,
      algorithms: ['EdDSA'],
      jwksUri: `${issuerUrl(identity)}/jwks.json`,
    },
    ...makeDevCatalogue({ images, networkUid: identity.networkUid }),
  }
}

const schedulerOf = (identity: RegionIdentity) => ({
  address: `127.0.0.1:${identity.agentsPort}`,
  token: identity.agentToken,
})

export function makeAgentSettings({ directory, identity }: RegionLayout): object {
  return {
    hostId: 'host-1',
    zone: zoneId,
    scheduler: schedulerOf(identity),
    directories: { state: directory.agentState, run: directory.agentRun },
  }
}

export interface FleetShape {
  readonly hosts: number
  /** COUNTxTYPE; empty for hosts without GPUs. */
  readonly shape: string
}

export function makeFleetSettings({ directory, identity }: RegionLayout, fleet: FleetShape): object {
  return {
    hosts: fleet.hosts,
    shape: fleet.shape,
    zone: zoneId,
    scheduler: schedulerOf(identity),
    directories: { state: directory.file('fleet') },
  }
}
