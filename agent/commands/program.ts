// The words of `berth-agent`: without a command it is the agent itself. In: arguments. Out: a call of one action; it
// constructs nothing.
import { Command } from 'commander'
import { version } from '../../lib/version.ts'

export interface CommandFlags {
  /** The agent's settings; for a host that has none yet, their defaults. */
  readonly config?: string
  readonly json?: boolean
}

export interface Actions {
  run(flags: Pick<CommandFlags, 'config'>): Promise<void>
  inventory(flags: CommandFlags & { readonly record?: string }): Promise<void>
  doctor(flags: CommandFlags): Promise<void>
}

export function createAgentProgram(actions: Actions): Command {
  const program = new Command('berth-agent')
    .description('The agent of a host: without a command it runs until it is stopped.')
    .version(version)
    .option('--config <file>', "the agent's settings (default: /etc/berth/agent.yaml)")
    .allowExcessArguments(false)
    .showHelpAfterError('(add --help for what is possible)')
    .action((flags: CommandFlags) => actions.run(flags))
  program
    .command('inventory')
    .description('print what the agent sees of this host, and change nothing')
    .option('--json', 'as the scheduler is told it')
    .option('--record <file>', "write what the host's kernel says to a file, for a bug report or a test")
    .action((_flags: unknown, command: Command) => actions.inventory(command.optsWithGlobals()))
  program
    .command('doctor')
    .description('say what to put right on this host; exits with 1 where there is something')
    .option('--json', 'for programs')
    .action((_flags: unknown, command: Command) => actions.doctor(command.optsWithGlobals()))
  return program
}
