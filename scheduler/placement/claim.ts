import type { PciAddress } from '../../proto/ids.ts'
import type { Demand } from '../model/placement.ts'

/** What an instance takes of its host. */
export interface Claim {
  readonly uid: string
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
  /** When it began, where its end is to be expected. */
  readonly nowMs?: number
}
