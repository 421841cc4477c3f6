import { type Problem, problem } from '../errors.ts'

const maximumLabels = 64
const maximumLength = 63
export const labelKeyPattern = '^[a-z]([-_a-z0-9./]*[a-z0-9])?$'
const keyPattern = new RegExp(labelKeyPattern)

export function checkLabels(labels: Readonly<Record<string, string>>, name = 'labels'): readonly Problem[] {
  const entries = Object.entries(labels)
  const problems = entries.flatMap(([key, value]) => {
    const field = `${name}.${key.slice(0, maximumLength)}`
    const invalid = (message: string) => problem('INVALID_LABEL', { message }, field)
    return [
      ...(keyPattern.test(key) && key.length <= maximumLength ? [] : [invalid(keyRule)]),
      ...(value.length <= maximumLength
        ? []
        : [invalid(`The value has ${value.length} characters; at most ${maximumLength} are possible.`)]),
      ...(hasControlCharacter(value) ? [invalid('The value has a control character in it; remove it.')] : []),
    ]
  })
  if (entries.length <= maximumLabels) return problems
  const message = `There are ${entries.length} labels; at most ${maximumLabels} are possible.`
  return [problem('INVALID_LABEL', { message }, name), ...problems]
}

/** Values end up in terminals. */
const hasControlCharacter = (text: string) => /\p{Cc}/u.test(text)

const keyRule =
  'A label key has 1 to 63 characters: first a lower-case letter, then lower-case letters, digits, "-", "_", "." or "/", a letter or digit last.'
