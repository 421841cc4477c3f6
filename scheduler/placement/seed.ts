/** FNV-1a, 32 bits: spreads names evenly enough to break ties, and is the same everywhere. */
export function hashOf(text: string): number {
  let hash = 0x811c9dc5
  for (let index = 0; index < text.length; index += 1) {
    hash = Math.imul(hash ^ text.charCodeAt(index), 0x01000193)
  }
  // The low bits of FNV of similar texts are alike: fold the high ones in.
  return (hash ^ (hash >>> 15)) >>> 0
}
