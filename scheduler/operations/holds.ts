import type { PciAddress } from '../../proto/ids.ts'
import type { Demand } from '../model/placement.ts'

/** What a placement takes of its host. */
export interface Hold {
  readonly demand: Demand
  readonly devices: readonly PciAddress[]
}
