import type { Terminal, Terminals } from '../ports.ts'

/** One program on a terminal: what is written to it goes to `onTyped`, and what it says to who listens. */
export interface FakeTerminalProgram {
  onTyped(bytes: Uint8Array): void
  onClose(): void
}

export type OpenFakeTerminal = (
  args: readonly string[],
  terminal: { say(bytes: Uint8Array): void; end(): void },
) => FakeTerminalProgram

/** Terminals of the fake host, with the programs that it has. A program that isn't modelled is an error of the test. */
export class FakeTerminals implements Terminals {
  readonly #programs: ReadonlyMap<string, OpenFakeTerminal>

  constructor(programs: Readonly<Record<string, OpenFakeTerminal>>) {
    this.#programs = new Map(Object.entries(programs))
  }

  /** What its program throws is why it does not open. */
  async open(file: string, args: readonly string[]): Promise<Terminal> {
    const open = this.#programs.get(file)
    if (!open) throw new Error(`The fake host has no ${file} for a terminal.`)
    const listeners = { bytes: (_: Uint8Array) => {}, end: () => {} }
    let hasEnded = false
    const end = () => {
      if (!hasEnded) setImmediate(() => listeners.end())
      hasEnded = true
    }
    const program = open(args, { say: (bytes) => listeners.bytes(bytes), end })
    return {
      write: (bytes) => {
        if (!hasEnded) program.onTyped(bytes)
      },
      onBytes: (listener) => {
        listeners.bytes = listener
      },
      onEnd: (listener) => {
        listeners.end = listener
      },
      close: () => {
        program.onClose()
        end()
      },
    }
  }
}
