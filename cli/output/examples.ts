// What --help ends with: lines that a reader can type as they are. They are kept, so that a test can hold each of them to
// the command that it stands at.
import type { Command } from 'commander'

/** What for, and the line to type. */
export type Examples = Readonly<Record<string, string>>

const known = new WeakMap<Command, readonly string[]>()

export function withExamples(command: Command, examples: Examples): Command {
  known.set(command, Object.values(examples))
  const lines = Object.entries(examples).map(([what, line]) => `  # ${what}\n  ${line}\n`)
  return command.addHelpText('after', `\nExamples:\n${lines.join('\n')}`)
}

export const examplesOf = (command: Command): readonly string[] => known.get(command) ?? []
