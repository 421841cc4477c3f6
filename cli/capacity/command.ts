import type { Command } from 'commander'
import { addWithContext } from '../context/flags.ts'
import { withExamples } from '../output/examples.ts'

/** Loaded when a command runs, so that --help is instant. */
const actions = () => import('./actions.ts')

export function addCapacityCommand(program: Command): void {
  const capacity = program
    .command('capacity')
    .description('say how many GPUs are free, and what would fit, for operators')

  withExamples(addWithContext(capacity, 'show', 'by zone and type of GPU', { isDefault: true }), {
    'what is free, what is stranded, and how many requests of each size would fit': 'berth capacity',
    'for a program': 'berth capacity show -o json',
  }).action(async (flags) => (await actions()).showAction(flags))
}
