#!/usr/bin/env node
// `berth`, the command line: a client of the API like any other, and `berth dev`, which runs a region on this machine.
// In: arguments, environment, saved contexts. Out: results on standard output, everything else on standard error, an
// exit code that says what kind of trouble there was. Never imports a daemon: it starts them as programs.
import { Command, CommanderError } from 'commander'
import { addCompletionCommand } from './completion/command.ts'
import { addDevCommand } from './dev/command.ts'
import { addDiskCommands } from './disks/command.ts'
import { CliError, exitCodes, exitCodesHelp } from './exit-codes.ts'
import { addHostVerbs } from './hosts/command.ts'
import { addInstancesCommand } from './instances/command.ts'
import { addLoginCommands } from './login/command.ts'
import { addResourceCommands } from './resources/command.ts'

const program = new Command('berth')
  .description('Asks a Berth region for instances.')
  .version('0.1.0')
  .addHelpText('after', exitCodesHelp)
  .showHelpAfterError('(add --help for what is possible)')
  .exitOverride()
addInstancesCommand(program)
addResourceCommands(program)
addHostVerbs(program)
addLoginCommands(program)
addDiskCommands(program)
addCompletionCommand(program)
addDevCommand(program)

// A reader that has seen enough (head, less) is no trouble.
process.stdout.on('error', (thrown: NodeJS.ErrnoException) => {
  if (thrown.code === 'EPIPE') process.exit(exitCodes.ok)
  throw thrown
})

try {
  await program.parseAsync()
} catch (thrown) {
  process.exitCode = report(thrown)
}

function report(thrown: unknown): number {
  if (thrown instanceof CommanderError) return thrown.exitCode === 0 ? exitCodes.ok : exitCodes.usage
  if (thrown instanceof CliError) {
    process.stderr.write(`berth: ${thrown.message}\n${thrown.lines.map((line) => `  ${line}\n`).join('')}`)
    return thrown.exitCode
  }
  const what = thrown instanceof Error ? (thrown.stack ?? thrown.message) : String(thrown)
  process.stderr.write(`berth: something went wrong here: ${what}\n`)
  return exitCodes.trouble
}
