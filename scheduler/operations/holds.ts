import type { PciAddress } from '../../proto/ids.ts'
import type { Demand, HostSnapshot } from '../model/placement.ts'
import { withClaim } from '../placement/claim.ts'

/** What a placement takes of its host. */
export interface Hold {
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
}

/** The host with what requests under way are about to take of it. */
export function withHolds(host: HostSnapshot, holds: ReadonlySet<Hold>): HostSnapshot {
  let taken = host
  for (const { demand, devices } of holds) {
    taken = withClaim(taken, { uid: 'another request', demand, devices })
  }
  return {
    ...taken,
    get connected() {
      return host.connected
    },
  }
}
