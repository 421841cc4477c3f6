// What a project may hold at most, and what it holds. Amounts follow claims: what an instance gives back no longer counts.
import type { Demand } from './placement.ts'

/** vcpus, memoryMib, instances, disksGb, addresses, gpus/TYPE → how much. */
export type Amounts = Readonly<Record<string, number>>

export interface Quota {
  readonly metric: string
  readonly used: number
  /** Absent: as much as there is. */
  readonly limit?: number
}

export const fixedMetrics = ['instances', 'vcpus', 'memoryMib', 'disksGb', 'addresses'] as const

/** What a reservation holds counts with the reservation. */
export const computeAmounts = ({ vcpus, memoryMib, gpus, slotUid }: Demand): Amounts =>
  slotUid === undefined
    ? { vcpus, memoryMib, ...Object.fromEntries(gpus.map(({ type, count }) => [`gpus/${type}`, count])) }
    : {}

export const storageAmounts = ({ diskGb, slotUid }: Demand, addresses: number): Amounts => ({
  disksGb: slotUid === undefined ? diskGb : 0,
  addresses,
})
