// What the validator found wrong with a body or query, as sentences for a person with the field in the API's words.
import { imageIdPattern, resourceIdPattern } from '../../proto/ids.ts'
import { lineOfText, textOfLines } from '../admission/instance-request.ts'
import { pciIdPattern, sha256Pattern } from '../admission/resource-requests.ts'
import { type Problem, problem } from '../errors.ts'

/** One finding of the validator, as far as it matters here. */
export interface ShapeFinding {
  readonly keyword: string
  readonly instancePath: string
  readonly params: Readonly<Record<string, unknown>>
  readonly parentSchema?: { readonly properties?: object; readonly description?: string }
}

/** An empty text breaks the pattern too: it is told once. */
export function renderShapeProblems(findings: readonly ShapeFinding[]): readonly Problem[] {
  const empty = findings.filter(({ keyword }) => keyword === 'minLength').map((one) => one.instancePath)
  return findings
    .filter(({ keyword, instancePath }) => keyword !== 'pattern' || !empty.includes(instancePath))
    .map(renderShapeProblem)
}

/** The parts of the body that a finding makes unreadable, an unknown field's likely meaning among them. */
export function misshapenPaths(finding: ShapeFinding): readonly (readonly string[])[] {
  const path = parsePointer(finding.instancePath)
  if (finding.keyword === 'required') return [[...path, String(finding.params['missingProperty'])]]
  if (finding.keyword !== 'additionalProperties') return [path]
  const { unknown, meant } = unknownFieldOf(finding)
  return [unknown, ...(meant === undefined ? [] : [meant])].map((name) => [...path, name])
}

function unknownFieldOf({ params, parentSchema }: ShapeFinding) {
  const unknown = String(params['additionalProperty'])
  return { unknown, meant: findMeant(unknown, Object.keys(parentSchema?.properties ?? {})) }
}

function renderShapeProblem(finding: ShapeFinding): Problem {
  const path = parsePointer(finding.instancePath)
  const field = renderField(path)
  const name = field === '' ? 'body' : field
  const invalid = (message: string) => problem('INVALID_VALUE', { message }, field)
  const limit = String(finding.params['limit'])
  switch (finding.keyword) {
    case 'additionalProperties': {
      const { unknown, meant } = unknownFieldOf(finding)
      const at = renderField([...path, unknown])
      return problem('UNKNOWN_FIELD', { name: unknown, ...(meant === undefined ? {} : { meant }) }, at)
    }
    case 'required': {
      const missing = String(finding.params['missingProperty'])
      return problem('MISSING_FIELD', { name: missing }, renderField([...path, missing]))
    }
    case 'type':
      return problem(
        'WRONG_TYPE',
        { name, expected: [finding.params['type']].flat().map(typeName).join(' or ') },
        field,
      )
    case 'enum': {
      const allowed = (finding.params['allowedValues'] as readonly string[]).join(', ')
      return invalid(`"${name}" must be one of ${allowed}.`)
    }
    case 'minimum':
      return invalid(`"${name}" must be ${limit} or more.`)
    case 'maximum':
      return invalid(`"${name}" must be ${limit} or less.`)
    case 'minLength':
      return invalid(`"${name}" must not be empty.`)
    case 'maxLength':
      return invalid(`"${name}" must have at most ${limit} characters.`)
    case 'minItems':
      return invalid(`"${name}" must have at least ${limit} ${limit === '1' ? 'entry' : 'entries'}.`)
    case 'maxItems':
      return invalid(`"${name}" must have at most ${limit} entries.`)
    case 'pattern':
      return invalid(
        `"${name}" ${patternRules.get(finding.params['pattern']) ?? 'has characters that are not possible there.'}`,
      )
    case 'uniqueItems':
      return invalid(`"${name}" has the same entry twice.`)
    default:
      return invalid(`"${name}" has a value that is not possible.`)
  }
}

const typeNames: Readonly<Record<string, string>> = {
  object: 'an object',
  array: 'a list',
  string: 'a string',
  integer: 'an integer',
  number: 'a number',
  boolean: 'true or false',
}
const typeName = (type: unknown): string => typeNames[String(type)] ?? String(type)

const idRule = (others: string) =>
  `must have 1 to 63 characters: a lower-case letter first, then lower-case letters, ${others}, a letter or digit last.`

const patternRules = new Map<unknown, string>([
  [resourceIdPattern, idRule('digits and hyphens')],
  [imageIdPattern, idRule('digits, hyphens and dots')],
  [pciIdPattern, 'must be vendor:device, four lower-case hexadecimal digits each, such as 10de:2330.'],
  [sha256Pattern, 'must be 64 lower-case hexadecimal digits.'],
  [lineOfText.pattern, 'must be one line, without control characters.'],
  [textOfLines.pattern, 'must have no control characters but tabs and line feeds.'],
])

export const parsePointer = (pointer: string): readonly string[] =>
  pointer
    .split('/')
    .slice(1)
    .map((part) => part.replaceAll('~1', '/').replaceAll('~0', '~'))

/** disks[0].sizeGb */
export const renderField = (path: readonly string[]): string =>
  path.map((part, index) => (/^\d+$/.test(part) ? `[${part}]` : index === 0 ? part : `.${part}`)).join('')

/** The known name that is written almost like this one. */
export function findMeant(name: string, known: readonly string[]): string | undefined {
  const plain = (text: string) => text.toLowerCase().replaceAll(/[^a-z0-9]/g, '')
  const written = plain(name.slice(0, 64))
  const [best] = known
    .map((candidate) => ({ candidate, distance: editDistance(written, plain(candidate)) }))
    .filter(({ candidate, distance }) => distance <= Math.min(2, Math.floor(candidate.length / 2)))
    .sort((a, b) => a.distance - b.distance)
  return best?.candidate
}

/** Insertions, deletions and replacements of one letter that lead from one to the other. */
function editDistance(a: string, b: string): number {
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (const [row, letter] of [...a].entries()) {
    const current = [row + 1]
    for (const [column, other] of [...b].entries()) {
      const replaced = (previous[column] ?? 0) + (letter === other ? 0 : 1)
      current.push(Math.min(replaced, (previous[column + 1] ?? 0) + 1, (current[column] ?? 0) + 1))
    }
    previous = current
  }
  return previous[b.length] ?? 0
}
