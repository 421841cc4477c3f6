import type { PciAddress } from '../../proto/ids.ts'
import type { Demand, Occupant } from '../model/placement.ts'

/** What an instance takes of its host. */
export interface Claim {
  readonly uid: string
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
  /** When it began, where its end is to be expected. */
  readonly nowMs?: number
}

export function occupantOf(
  uid: string,
  { groups, isolation, expectedLifetimeS }: Demand,
  nowMs: number | undefined,
): Occupant {
  return {
    uid,
    ...(groups === undefined ? {} : { groups }),
    ...(isolation === undefined ? {} : { isolation }),
    ...(expectedLifetimeS === undefined || nowMs === undefined
      ? {}
      : { expectedEndMs: nowMs + expectedLifetimeS * 1000 }),
  }
}
