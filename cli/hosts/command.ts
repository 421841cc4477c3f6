import type { Command } from 'commander'
import { addWithContext } from '../context/flags.ts'

const actions = () => import('./actions.ts')

/** Verbs for operators, beside list and get. */
export function addHostVerbs(program: Command): void {
  const hosts = program.commands.find((command) => command.name() === 'hosts')
  if (hosts === undefined) throw new Error('Verbs of hosts come after the hosts themselves.')
  addWithContext(hosts, 'cordon <id...>', 'keep new instances away').action(async (ids, flags) =>
    (await actions()).hostAction('cordon', ids, flags),
  )
  addWithContext(hosts, 'uncordon <id...>', 'let them take instances again').action(async (ids, flags) =>
    (await actions()).hostAction('uncordon', ids, flags),
  )
  addWithContext(hosts, 'drain <id...>', 'cordon them and stop their instances; disks stay').action(
    async (ids, flags) => (await actions()).hostAction('drain', ids, flags),
  )
  addWithContext(hosts, 'fence <id>', 'give up a host that is gone for good, with its instances')
    .requiredOption('--confirm <id>', 'the id once more: you have made sure that it is off and stays off')
    .action(async (id, flags) => (await actions()).hostAction('fence', [id], flags))
}
