import type { Counter } from '../model/placement.ts'
import type { Lack } from './rule.ts'

/** The same predicate as the store's conditional update. */
export const isEnough = (wanted: number, { capacity, used }: Counter): boolean => wanted <= capacity - used

export function explainCounter(wanted: number, { capacity, used }: Counter, unit: string): Lack {
  const free = capacity - used
  return {
    message: `it has ${free} of ${capacity} ${unit} free and ${wanted} are needed`,
    couldEverFit: wanted <= capacity,
    shortfall: (wanted - free) / wanted,
  }
}
