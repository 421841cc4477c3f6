import type { Random } from '../../lib/random.ts'
import type { Request } from './events.ts'

/** What a request says of how long it will be there. */
export type Hint = (request: Request) => number

/** Wrong by a factor whose logarithm is normal, with `error` as its standard deviation; 0 is the truth. */
export function hintsOf(error: number, count: number, random: Random): Hint {
  const factors = Array.from({ length: error === 0 ? 0 : count }, () => Math.exp(error * normal(random)))
  return ({ number, lifetimeS }) => lifetimeS * (factors[number] ?? 1)
}

const normal = (random: Random) =>
  Math.sqrt(-2 * Math.log(1 - random.fraction())) * Math.cos(2 * Math.PI * random.fraction())
