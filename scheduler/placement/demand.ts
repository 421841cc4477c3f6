import type { Demand } from '../model/placement.ts'

export function gpusOf({ gpus }: Demand): number {
  const [only, another] = gpus
  if (another === undefined) return only?.count ?? 0
  return gpus.reduce((sum, { count }) => sum + count, 0)
}
