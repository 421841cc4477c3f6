import { type Problem, type Refusal, refuseAll } from '../errors.ts'

/** A problem of one of several, by its place among them. */
export const withinItem = (found: Problem, index: number): Problem => ({
  ...found,
  field: [`instances[${index}]`, found.field].filter(Boolean).join('.'),
})

/** One of several is refused, and with it all. */
export function withinBatch(index: number, { problems: [first, ...others], message }: Refusal): Refusal {
  const sentence = `None of the instances was created, for one that can't be: ${message}`
  return refuseAll([withinItem(first, index), ...others.map((found) => withinItem(found, index))], sentence)
}
