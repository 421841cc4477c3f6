import { type Problem, problem } from '../errors.ts'
import { findSshKeyProblems } from './ssh-keys.ts'

interface Item {
  readonly key: string
  readonly value: string
}

const keyPattern = /^[A-Za-z0-9_-]{1,128}$/
const maximumValueBytes = 256 * 1024
const maximumTotalBytes = 512 * 1024

/** Keys become parts of URLs that guests ask for; the limits are Google Compute Engine's. */
export function checkMetadata(items: readonly Item[]): readonly Problem[] {
  const problems = items.flatMap((item, index) => checkItem(item, index, items))
  const totalBytes = items.reduce((sum, { key, value }) => sum + byteLength(key) + byteLength(value), 0)
  if (totalBytes <= maximumTotalBytes) return problems
  const message = `instanceMetadata has ${totalBytes} bytes; at most ${maximumTotalBytes} are possible.`
  return [...problems, problem('METADATA_TOO_LARGE', { message }, 'instanceMetadata')]
}

function checkItem({ key, value }: Item, index: number, items: readonly Item[]): readonly Problem[] {
  const field = `instanceMetadata[${index}]`
  const problems: Problem[] = []
  if (!keyPattern.test(key)) {
    const message = 'A metadata key has 1 to 128 letters, digits, "-" or "_".'
    problems.push(problem('INVALID_METADATA', { message }, `${field}.key`))
  }
  if (items.findIndex((other) => other.key === key) < index) {
    const message = `The metadata key "${key.slice(0, 128)}" is given twice; keep one.`
    problems.push(problem('INVALID_METADATA', { message }, `${field}.key`))
  }
  const bytes = byteLength(value)
  if (bytes > maximumValueBytes) {
    const message = `The value has ${bytes} bytes; at most ${maximumValueBytes} are possible.`
    return [...problems, problem('METADATA_TOO_LARGE', { message }, `${field}.value`)]
  }
  return [...problems, ...checkMeaning({ key, value }, `${field}.value`, items)]
}

/** Keys that guests act on: a mistake here would only show inside the guest, where nobody can log in. */
function checkMeaning({ key, value }: Item, field: string, items: readonly Item[]): readonly Problem[] {
  const invalid = (message: string) => [problem('INVALID_METADATA', { message }, field)]
  switch (key) {
    case 'ssh-keys':
    case 'sshKeys':
      return findSshKeyProblems(value).map((found) => problem('INVALID_SSH_KEY', found, field))
    case 'user-data-encoding':
      return value === 'base64' ? [] : invalid('user-data-encoding can only be "base64"; else leave it out.')
    case 'user-data':
      return isDeclaredBase64(items) && !isBase64(value)
        ? invalid('user-data is not base64, although user-data-encoding says so.')
        : []
    default:
      return []
  }
}

const isDeclaredBase64 = (items: readonly Item[]) =>
  items.some((item) => item.key === 'user-data-encoding' && item.value === 'base64')

/** Standard alphabet, whole groups; line breaks and spaces are as tools write them. */
export function isBase64(text: string): boolean {
  const compact = text.replaceAll(/\s+/g, '')
  return compact.length % 4 === 0 && /^[A-Za-z0-9+/]*={0,2}$/.test(compact)
}

const byteLength = (text: string) => Buffer.byteLength(text)
