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

  withExamples(
    addWithContext(capacity, 'advise', 'say which instances would have to move to make room for a large one'),
    {
      'so that one instance with eight GPUs finds a host': 'berth capacity advise --gpu nvidia-h100-80gb:8',
      'in one of several zones': 'berth capacity advise --gpu nvidia-h100-80gb:4 --zone us1-b',
    },
  )
    .requiredOption('--gpu <type[:count]>', 'GPUs of the request that is to fit')
    .option('--zone <zone>', "where; the region's only one where absent")
    .action(async (flags) => (await actions()).adviseAction(flags))
}
