import { InvalidArgumentError } from 'commander'

/** Of a flag. @throws InvalidArgumentError */
export function parseWhole(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}

/** At least one. @throws InvalidArgumentError */
export function parseCount(value: string): number {
  const count = parseWhole(value)
  if (count === 0) throw new InvalidArgumentError('It must be at least 1.')
  return count
}
