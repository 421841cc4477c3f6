/** What a script can tell from how `berth` ended. */
export const exitCodes = {
  ok: 0,
  /** The server can't be reached or has trouble of its own, or something here went wrong. */
  trouble: 1,
  /** The command line or the request is wrong. */
  usage: 2,
  /** No token, a bad one, or a role is missing. */
  denied: 3,
  notFound: 4,
  /** The name is taken, the state or the capacity does not allow it. */
  conflict: 5,
  /** It was accepted, and the instance failed. */
  instanceFailed: 6,
  interrupted: 130,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

export const exitCodesHelp = `
Exit codes: 0 done · 1 server unreachable or in trouble · 2 wrong usage or request · 3 denied · 4 not found ·
5 conflict or no capacity · 6 the instance failed · 130 interrupted`

/** A sentence for the person at the terminal, and how the program ends. */
export class CliError extends Error {
  override readonly name = 'CliError'
  readonly exitCode: ExitCode
  /** Further lines, each a thing that is wrong. */
  readonly lines: readonly string[]

  constructor(message: string, options: { exitCode: ExitCode; lines?: readonly string[]; cause?: unknown }) {
    super(message, options.cause === undefined ? {} : { cause: options.cause })
    this.exitCode = options.exitCode
    this.lines = options.lines ?? []
  }
}

export const usageError = (message: string) => new CliError(message, { exitCode: exitCodes.usage })
