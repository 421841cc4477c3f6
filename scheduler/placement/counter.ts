import type { Lack } from './rule.ts'

export function explainCounter(
  wanted: number,
  { free, capacity }: { readonly free: number; readonly capacity: number },
  unit: string,
): Lack {
  return {
    describe: () => `it has ${free} of ${capacity} ${unit} free and ${wanted} are needed`,
    couldEverFit: wanted <= capacity,
    shortfall: (wanted - free) / wanted,
  }
}
