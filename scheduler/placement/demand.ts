import type { Demand } from '../model/placement.ts'

export function gpusOf({ gpus }: Demand): number {
  if (gpus.length < 2) return gpus[0]?.count ?? 0
  return gpus.reduce((sum, { count }) => sum + count, 0)
}
