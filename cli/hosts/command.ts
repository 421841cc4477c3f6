import type { Command } from 'commander'
import { collect } from '../context/collect.ts'
import { addWithContext } from '../context/flags.ts'
import { parseWhole } from '../context/numbers.ts'
import { type Examples, withExamples } from '../output/examples.ts'

const actions = () => import('./actions.ts')

/** Verbs for operators, beside list and get. */
export function addHostVerbs(program: Command): void {
  const hosts = program.commands.find((command) => command.name() === 'hosts')
  if (hosts === undefined) throw new Error('Verbs of hosts come after the hosts themselves.')
  const add = (usage: string, description: string, examples: Examples) =>
    withExamples(addWithContext(hosts, usage, description), examples)

  add('cordon <id...>', 'keep new instances away', {
    'what is there stays, nothing new comes': 'berth hosts cordon host-1',
  }).action(async (ids, flags) => (await actions()).hostAction('cordon', ids, flags))
  add('uncordon <id...>', 'let them take instances again, and start what a drain has stopped', {
    'after the work on two hosts': 'berth hosts uncordon host-1 host-2',
  }).action(async (ids, flags) => (await actions()).hostAction('uncordon', ids, flags))
  add('drain <id...>', 'cordon them, tell their guests, and stop them after a notice; disks stay', {
    'before work on the hardware': 'berth hosts drain host-1',
    'ten minutes for guests to put their work aside': 'berth hosts drain host-1 --notice 600',
  })
    .option('--notice <seconds>', 'how long guests are told before', parseWhole, 60)
    .action(async (ids, flags) => (await actions()).hostAction('drain', ids, flags))
  add('update <id...>', 'change what is written on them, for instances that ask for it', {
    'the rack that they are in': 'berth hosts update host-1 host-2 --label rack=r1',
    'take it off again': 'berth hosts update host-1 --remove-label rack',
  })
    .option('--label <key=value>', 'set a label; may be repeated', collect)
    .option('--remove-label <key>', 'remove a label; may be repeated', collect)
    .action(async (ids, flags) => (await actions()).labelAction(ids, flags))
  add('fence <id>', 'give up a host that is gone for good, with its instances', {
    'once it is off, and will stay off': 'berth hosts fence host-1 --confirm host-1',
  })
    .requiredOption('--confirm <id>', 'the id once more: you have made sure that it is off and stays off')
    .action(async (id, flags) => (await actions()).hostAction('fence', [id], flags))
}
