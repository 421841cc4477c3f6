#!/usr/bin/env node
// `berth`, the command line: a client of the API like any other, and `berth dev`, which runs a region on this machine.
// In: arguments, environment, saved contexts. Out: results on standard output, everything else on standard error, an
// exit code that says what kind of trouble there was. Never imports a daemon: it starts them as programs.
import { CommanderError } from 'commander'
import { CliError, exitCodes } from './exit-codes.ts'
import { createProgram } from './program.ts'

// A reader that has seen enough (head, less) is no trouble.
process.stdout.on('error', (thrown: NodeJS.ErrnoException) => {
  if (thrown.code === 'EPIPE') process.exit(exitCodes.ok)
  throw thrown
})

try {
  await createProgram().parseAsync()
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
