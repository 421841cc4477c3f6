import type { Writable } from 'node:stream'

/** One direction of a stream that is written no faster than the peer reads. */
export interface Outgoing<Message> {
  /** Resolves once the stream takes more; at once where it has ended, since nobody will read. */
  send(message: Message): Promise<void>
  /** The peer is behind: what can be left out had better be. */
  isBehind(): boolean
  /** Lets go of everybody who waits. */
  end(): void
}

/** One for all: most that is sent need not wait. */
const taken = Promise.resolve()

export function createOutgoing<Message>(stream: Writable): Outgoing<Message> {
  let drained: { promise: Promise<void>; resolve: () => void } | undefined
  let isEnded = false
  const release = () => {
    drained?.resolve()
    drained = undefined
  }
  stream.on('drain', release)
  return {
    send: (message) => {
      if (isEnded) return taken
      if (!stream.write(message)) drained ??= Promise.withResolvers<void>()
      return drained?.promise ?? taken
    },
    isBehind: () => drained !== undefined,
    end: () => {
      isEnded = true
      release()
    },
  }
}
