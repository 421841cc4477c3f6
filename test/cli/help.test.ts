// What --help says can be typed as it stands.
import type { Command } from 'commander'
import { describe, expect, it } from 'vitest'
import { examplesOf } from '../../cli/output/examples.ts'
import { createProgram } from '../../cli/program.ts'

const everyCommand = (command: Command): readonly Command[] => [
  command,
  ...command.commands.flatMap(everyCommand),
]

const nameOf = (command: Command): string =>
  command.parent ? `${nameOf(command.parent)} ${command.name()}` : command.name()

const program = createProgram()
const leaves = everyCommand(program).filter(({ commands }) => commands.length === 0)
const lines = everyCommand(program).flatMap((command) =>
  examplesOf(command).map((line) => ({ command: nameOf(command), line })),
)

/** Which command a line reaches; nothing is done. */
async function commandOf(line: string): Promise<string> {
  let reached = ''
  const silent = createProgram()
  for (const command of everyCommand(silent)) {
    command.exitOverride().configureOutput({ writeErr: () => undefined })
    if (command.commands.length === 0)
      command.action(() => {
        reached = nameOf(command)
      })
  }
  const words = wordsOf(line)
  expect(words.shift()).toBe('berth')
  await silent.parseAsync(words, { from: 'user' })
  return reached
}

/** As far as a shell would give it to `berth`. */
function wordsOf(line: string): string[] {
  const [own = ''] = line.replace(/^source <\((.*)\)$/, '$1').split(/ [|>] /)
  return [...own.matchAll(/'([^']*)'|(\S+)/g)].map(([, quoted, plain]) => quoted ?? plain ?? '')
}

describe('--help', () => {
  it.each(leaves.map((command) => [nameOf(command), command] as const))(
    'of %s has examples',
    (_, command) => {
      expect(examplesOf(command).length).toBeGreaterThan(0)
      expect(command.description()).not.toBe('')
    },
  )

  it.each(lines)('$line', async ({ command, line }) => {
    const reached = await commandOf(line)
    if (command !== 'berth') expect(reached).toBe(command)
  })

  it('shows where and as whom apart from what a command does', () => {
    const help = leaves.find((command) => nameOf(command) === 'berth instances create')?.helpInformation()
    expect(help?.indexOf('--type <type>')).toBeLessThan(help?.indexOf('Where and as whom:') ?? 0)
    expect(help).not.toContain('undefined')
  })
})
