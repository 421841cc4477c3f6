import type { Random } from '../../lib/random.ts'

export interface Request {
  readonly number: number
  readonly gpus: number
  readonly lifetimeS: number
}

/** An instance is asked for, or comes to its end if it was ever placed. */
export interface ChurnEvent {
  readonly atS: number
  readonly kind: 'arrival' | 'departure'
  readonly request: Request
}

const sizes = [
  { share: 0.6, value: 1 },
  { share: 0.15, value: 2 },
  { share: 0.12, value: 4 },
  { share: 0.13, value: 8 },
] as const

const hourS = 3600

/** Most are short, and most of the time is taken by the few that are long. */
const meanLifetimesS = [
  { share: 0.6, value: 0.25 * hourS },
  { share: 0.3, value: 2.5 * hourS },
  { share: 0.1, value: 20 * hourS },
] as const

interface Share {
  readonly share: number
  readonly value: number
}

const meanOf = (shares: readonly Share[]) => shares.reduce((sum, { share, value }) => sum + share * value, 0)

/** Requests come independently of one another, as often as keeps `load` of the GPUs busy if none is refused. */
export function churnOf(
  { gpus, load, count }: { gpus: number; load: number; count: number },
  random: Random,
): readonly ChurnEvent[] {
  const gapS = (meanOf(sizes) * meanOf(meanLifetimesS)) / (gpus * load)
  const events: ChurnEvent[] = []
  let atS = 0
  for (let number = 0; number < count; number += 1) {
    atS += exponential(gapS, random)
    const lifetimeS = exponential(pick(meanLifetimesS, random), random)
    const request = { number, gpus: pick(sizes, random), lifetimeS }
    events.push({ atS, kind: 'arrival', request }, { atS: atS + lifetimeS, kind: 'departure', request })
  }
  return events.sort((a, b) => a.atS - b.atS)
}

const exponential = (mean: number, random: Random) => -Math.log(1 - random.fraction()) * mean

function pick(shares: readonly Share[], random: Random): number {
  let at = random.fraction()
  const found = shares.find(({ share }) => {
    at -= share
    return at < 0
  })
  return (found ?? shares[0])?.value ?? 1
}
