import { InvalidArgumentError } from 'commander'

/** Of a flag. @throws InvalidArgumentError */
export function parseWhole(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}
