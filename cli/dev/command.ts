import { type Command, InvalidArgumentError } from 'commander'
import { withExamples } from '../output/examples.ts'

export function addDevCommand(program: Command): void {
  withExamples(program.command('dev'), {
    'real guests on this machine': 'berth dev',
    'five hundred simulated hosts with eight GPUs each': 'berth dev --simulate 500',
    'elsewhere, and nothing left at the end': 'berth dev --port 7800 --data /var/tmp/berth --clean',
  })
    .description('run a whole region on this machine, until Ctrl-C')
    .option('--port <port>', 'port of the API on 127.0.0.1; 0: any free one', parsePort, 7700)
    .option('--data <dir>', 'where settings, state and logs lie')
    .option('--simulate <hosts>', 'simulated hosts instead of this machine: no root, no QEMU', parseCount)
    .option(
      '--shape <shape>',
      'what simulated hosts have: COUNTxTYPE, or "" for no GPUs',
      '8xnvidia-h100-80gb',
    )
    .option('--clean', 'at the end delete all instances and the data directory', false)
    .action(async (flags) => (await import('./dev.ts')).devAction(flags))
}

function parsePort(value: string): number {
  const port = Number(value)
  if (!/^\d{1,5}$/.test(value) || port > 65_535)
    throw new InvalidArgumentError('It must be a port, 0 to 65535.')
  return port
}

function parseCount(value: string): number {
  const count = Number(value)
  if (!/^\d{1,5}$/.test(value) || count < 1) throw new InvalidArgumentError('It must be a number of hosts.')
  return count
}
