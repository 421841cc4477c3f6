// Commands that only look: what a region offers, and how requests ended. One table says what there is; a new collection of
// the API is a line in it.
import type { Command } from 'commander'
import { addWithContext } from '../context/flags.ts'
import { kinds } from './kinds.ts'

/** Loaded when a command runs, so that --help is instant. */
const actions = () => import('./actions.ts')

export function addResourceCommands(program: Command): void {
  for (const kind of kinds) {
    const group = program.command(kind.command).description(kind.description)
    addWithContext(group, 'list', `list ${kind.words}`)
      .alias('ls')
      .action(async (flags) => (await actions()).listAction(kind, flags))
    addWithContext(group, 'get <id>', `show one of ${kind.words}`).action(async (id, flags) =>
      (await actions()).getAction(kind, id, flags),
    )
  }
}
