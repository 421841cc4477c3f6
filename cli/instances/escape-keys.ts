/** Ctrl-], as telnet and virsh have it. */
const escapeKey = 0x1d

export interface TypedKeys {
  /** What goes to the guest. */
  readonly bytes: Uint8Array
  /** Ctrl-] and a dot: the person has had enough. */
  readonly isEnd: boolean
}

/** Takes Ctrl-] out of what is typed: with a dot it ends, twice it is sent once, with anything else it is sent as it is. */
export function createEscapeKeys(): (typed: Uint8Array) => TypedKeys {
  let isEscaped = false
  return (typed) => {
    const bytes: number[] = []
    for (const key of typed) {
      if (!isEscaped) {
        isEscaped = key === escapeKey
        if (!isEscaped) bytes.push(key)
        continue
      }
      isEscaped = false
      if (key === '.'.charCodeAt(0)) return { bytes: Uint8Array.from(bytes), isEnd: true }
      bytes.push(escapeKey)
      if (key !== escapeKey) bytes.push(key)
    }
    return { bytes: Uint8Array.from(bytes), isEnd: false }
  }
}
