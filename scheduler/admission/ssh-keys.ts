// The value of `ssh-keys`: a line for each key, `user:[options ]type base64[ comment]`, as Google Compute Engine has
// it. A line that a guest would drop silently is refused here, with its number.

export interface SshKeyProblem {
  readonly line: number
  /** Continues "Line 3 of ssh-keys …". */
  readonly trouble: string
}

const keyTypes: readonly string[] = [
  'ssh-ed25519',
  'ssh-rsa',
  'ecdsa-sha2-nistp256',
  'ecdsa-sha2-nistp384',
  'ecdsa-sha2-nistp521',
  'sk-ssh-ed25519@openssh.com',
  'sk-ecdsa-sha2-nistp256@openssh.com',
]
const userPattern = /^[a-z_][a-z0-9_-]{0,31}$/
// Options are separated from the type by the first blank outside quotes.
const optionsPattern = /^(?:[^\s"]|"(?:[^"\\]|\\.)*")+\s+/

export function findSshKeyProblems(value: string): readonly SshKeyProblem[] {
  return value.split('\n').flatMap((text, index) => {
    const line = text.trim()
    if (line === '' || line.startsWith('#')) return []
    const trouble = findTrouble(line)
    return trouble === undefined ? [] : [{ line: index + 1, trouble }]
  })
}

function findTrouble(line: string): string | undefined {
  const colon = line.indexOf(':')
  const user = colon === -1 ? '' : line.slice(0, colon)
  if (colon === -1 || keyTypes.includes(line.split(/\s/, 1)[0] ?? '')) {
    return 'has no user: write USER:TYPE KEY, e.g. admin:ssh-ed25519 AAAA…'
  }
  if (!userPattern.test(user)) {
    return 'has a user name that Linux does not take: 1 to 32 of a-z, 0-9, "_" and "-", a letter or "_" first'
  }
  const key = parseKey(line.slice(colon + 1).trimStart())
  if (key === undefined) {
    return `has no key type that is known; there is ${keyTypes.join(', ')}`
  }
  return findKeyTrouble(key) ?? findExpiryTrouble(key.comment)
}

interface Key {
  readonly type: string
  readonly blob: string
  readonly comment: string
}

function parseKey(text: string): Key | undefined {
  const withoutOptions = startsWithType(text) ? text : text.replace(optionsPattern, '')
  if (!startsWithType(withoutOptions)) return undefined
  const [type = '', blob = '', ...comment] = withoutOptions.split(/\s+/)
  return { type, blob, comment: comment.join(' ') }
}

const startsWithType = (text: string) => keyTypes.includes(text.split(/\s/, 1)[0] ?? '')

function findKeyTrouble({ type, blob }: Key): string | undefined {
  if (blob === '') return `has the type ${type} but no key after it`
  if (!/^[A-Za-z0-9+/]+={0,2}$/.test(blob)) return 'has a key that is not base64'
  const parts = readParts(Buffer.from(blob, 'base64'))
  if (parts === undefined || parts.length < 2) return 'has a key that is cut short'
  const inner = parts[0]?.toString('latin1')
  if (inner !== type) return `says ${type}, but its key is of another type`
  if (type === 'ssh-ed25519' && parts[1]?.length !== 32) return 'has a key that is cut short'
  return undefined
}

/** An SSH key is a list of strings, each with its length in front; undefined where the lengths don't add up. */
function readParts(bytes: Buffer): readonly Buffer[] | undefined {
  const parts: Buffer[] = []
  for (let offset = 0; offset < bytes.length; ) {
    if (offset + 4 > bytes.length) return undefined
    const end = offset + 4 + bytes.readUInt32BE(offset)
    if (end > bytes.length) return undefined
    parts.push(bytes.subarray(offset + 4, end))
    offset = end
  }
  return parts
}

/** `google-ssh {"userName":"x","expireOn":"2030-01-01T00:00:00+0000"}` in the comment makes a key expire. */
function findExpiryTrouble(comment: string): string | undefined {
  const match = /^google-ssh\b(.*)$/.exec(comment)
  if (match === null) return undefined
  const trouble = 'is marked google-ssh but has no {"userName":…,"expireOn":…} with a date that can be read'
  try {
    const { expireOn } = JSON.parse(match[1] ?? '') as { expireOn?: unknown }
    if (typeof expireOn !== 'string') return trouble
    return Number.isNaN(Date.parse(expireOn.replace(/([+-]\d\d)(\d\d)$/, '$1:$2'))) ? trouble : undefined
  } catch {
    return trouble
  }
}
