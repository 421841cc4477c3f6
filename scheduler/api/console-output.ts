/** Of the offset before the output of a message. */
const offsetBytes = 8

export interface ConsoleSender {
  /** A message of the guest's output. */
  readonly output: (bytes: Uint8Array) => void
  /** A sentence for a person. */
  readonly note: (sentence: string) => void
}

/** The guest's output as it comes; for a viewer who has said from where on, nothing before that, and each with its offset. */
export function createConsoleOutput(
  from: bigint | undefined,
  { output, note }: ConsoleSender,
): (bytes: Uint8Array, start: bigint) => void {
  if (from === undefined) return output
  let isFirst = true
  return (bytes, start) => {
    const known = from > start ? Number(from - start) : 0
    if (known >= bytes.length) return
    if (isFirst && from > 0n && start > from) {
      note(`${start - from} bytes of the guest's output were left out: they are not kept any more.`)
    }
    isFirst = false
    const head = Buffer.alloc(offsetBytes)
    head.writeBigUInt64BE(start + BigInt(known))
    output(Buffer.concat([head, bytes.subarray(known)]))
  }
}
