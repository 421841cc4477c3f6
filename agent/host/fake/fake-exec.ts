import { type Exec, ExecError, type ExecOptions, type ExecResult } from '../ports.ts'

/** One program of the fake host: arguments and input in, exit code and output out. Throws on what it doesn't know. */
export type FakeProgram = (args: readonly string[], stdin: string) => ProgramResult | Promise<ProgramResult>

export interface ProgramResult {
  readonly code?: number
  readonly stdout?: string
  readonly stderr?: string
}

/** A program that goes on by itself: its pid. */
export type FakeDaemon = (args: readonly string[], logPath: string) => number

/** A program that goes on telling: what stops it. */
export type FakeFollowed = (
  args: readonly string[],
  listeners: { onOutput: () => void; onEnd: (how: string) => void },
) => () => void

/** A planned fault: the next run of a program whose arguments match ends like this instead. */
export interface ExecFault {
  readonly file: string
  /** Must be somewhere in the arguments, joined by spaces. */
  readonly argsInclude: string
  readonly result: ProgramResult | 'hang'
}

export interface FakeExecRecord {
  readonly file: string
  readonly args: readonly string[]
}

/** Runs programs of the fake host. A program that isn't modelled is an error of the test, not of the host. */
export class FakeExec implements Exec {
  readonly history: FakeExecRecord[] = []
  readonly #programs: ReadonlyMap<string, FakeProgram>
  readonly #daemons: ReadonlyMap<string, FakeDaemon>
  readonly #followed: ReadonlyMap<string, FakeFollowed>
  readonly #faults: ExecFault[] = []

  constructor(
    programs: Readonly<Record<string, FakeProgram>>,
    daemons: Readonly<Record<string, FakeDaemon>> = {},
    followed: Readonly<Record<string, FakeFollowed>> = {},
  ) {
    this.#programs = new Map(Object.entries(programs))
    this.#daemons = new Map(Object.entries(daemons))
    this.#followed = new Map(Object.entries(followed))
  }

  async start(file: string, args: readonly string[], options: { logPath: string }): Promise<number> {
    const daemon = this.#daemons.get(file)
    if (!daemon) throw new ExecError({ kind: 'not-found', file, args, how: 'is no daemon of the fake host' })
    return daemon(args, options.logPath)
  }

  /** Nobody looks after the network of a host that nobody but the agent can reach. */
  follow(file: string, args: readonly string[], listeners: Parameters<FakeFollowed>[1]): () => void {
    const followed = this.#followed.get(file)
    if (!followed) throw new Error(`The fake host has no '${file}' that goes on telling.`)
    return followed(args, listeners)
  }

  failNext(fault: ExecFault): void {
    this.#faults.push(fault)
  }

  async run(file: string, args: readonly string[], options: ExecOptions = {}): Promise<ExecResult> {
    if (this.history.length < 10_000) this.history.push({ file, args })
    const faultAt = this.#faults.findIndex(
      (fault) => fault.file === file && args.join(' ').includes(fault.argsInclude),
    )
    const fault = faultAt < 0 ? undefined : this.#faults.splice(faultAt, 1)[0]
    if (fault?.result === 'hang') {
      throw new ExecError({
        kind: 'timeout',
        file,
        args,
        how: `gave no answer in ${options.timeoutMs ?? 30_000} ms`,
      })
    }
    const program = this.#programs.get(file)
    if (!program)
      throw new ExecError({ kind: 'not-found', file, args, how: 'is not installed on the fake host' })
    const { code = 0, stdout = '', stderr = '' } = fault?.result ?? (await program(args, options.stdin ?? ''))
    if (!(options.okCodes ?? [0]).includes(code)) {
      throw new ExecError({ kind: 'exit', file, args, code, stderr, how: `exited with ${code}` })
    }
    return { code, stdout, stderr }
  }
}
