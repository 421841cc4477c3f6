// instanceMetadata's `ssh-keys`, one `user:key` a line, in the words of cloud-config.

export interface UserKeys {
  readonly user: string
  readonly keys: readonly string[]
}

/** Keys by user, in the order of their first line. Lines that the API would refuse and keys that have expired are left out. */
export function parseSshKeys(value: string, nowMs: number): readonly UserKeys[] {
  const byUser = new Map<string, string[]>()
  for (const line of value.split('\n')) {
    const colon = line.indexOf(':')
    const user = line.slice(0, colon).trim()
    const key = line.slice(colon + 1).trim()
    if (colon < 1 || key === '' || !/^[a-z_][a-z0-9_-]{0,31}$/.test(user) || isExpired(key, nowMs)) continue
    const keys = byUser.get(user)
    if (keys) keys.push(key)
    else byUser.set(user, [key])
  }
  return [...byUser].map(([user, keys]) => ({ user, keys }))
}

/** `… google-ssh {"userName":"x","expireOn":"2030-01-01T00:00:00+0000"}` */
function isExpired(key: string, nowMs: number): boolean {
  const comment = / google-ssh (\{.*\})\s*$/.exec(key)?.[1]
  if (comment === undefined) return false
  try {
    const { expireOn } = JSON.parse(comment) as { expireOn?: unknown }
    // RFC 3339 has a colon in the offset; what gcloud writes has none.
    const text = String(expireOn).replace(/([+-]\d\d)(\d\d)$/, '$1:$2')
    return Date.parse(text) <= nowMs
  } catch {
    return false
  }
}
