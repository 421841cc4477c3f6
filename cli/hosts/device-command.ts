import type { Command } from 'commander'
import { addWithContext } from '../context/flags.ts'
import { parseWhole } from '../context/numbers.ts'
import { type Examples, withExamples } from '../output/examples.ts'

/** Loaded when a command runs, so that --help is instant. */
const actions = () => import('./device-actions.ts')

/** Devices of a host, for operators: below the hosts. */
export function addDeviceCommands(program: Command): void {
  const hosts = program.commands.find((command) => command.name() === 'hosts')
  if (hosts === undefined) throw new Error('Devices of hosts come after the hosts themselves.')
  const devices = hosts
    .command('devices')
    .description("a host's devices that guests get whole, for operators")

  withExamples(addWithContext(devices, 'list <host>', 'list them, with what keeps them from guests'), {
    'as a table': 'berth hosts devices list host-1',
    'for a program': 'berth hosts devices list host-1 -o json',
  })
    .alias('ls')
    .action(async (host, flags) => (await actions()).listAction(host, flags))
  withExamples(addWithContext(devices, 'get <host> <device>', 'show one of them'), {
    'its state, the reason, and how the last command ended': 'berth hosts devices get host-1 0000:3b:00.0',
  })
    .alias('describe')
    .action(async (host, device, flags) => (await actions()).getAction({ host, device }, flags))

  const addVerb = (usage: string, description: string, examples: Examples) =>
    withExamples(addWithContext(devices, usage, description), examples)
      .option('--no-wait', 'return as soon as the request is accepted')
      .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
  const release = 'take them out of quarantine, or give them to everybody although they are unscrubbed'
  addVerb('release <host> <device...>', release, {
    'once it has been seen to': 'berth hosts devices release host-1 0000:3b:00.0',
  }).action(async (host, ids, flags) => (await actions()).verbAction('release', { host, ids }, flags))
  addVerb('quarantine <host> <device...>', 'keep them away from guests; one that has it keeps it', {
    'with a word for whoever looks later':
      "berth hosts devices quarantine host-1 0000:3b:00.0 --reason 'falls off the bus'",
  })
    .option('--reason <text>', 'why')
    .action(async (host, ids, flags) => (await actions()).verbAction('quarantine', { host, ids }, flags))
  addVerb('reset <host> <device...>', 'reset, scrub and verify what no guest has', {
    'and wait until it is free, or in quarantine': 'berth hosts devices reset host-1 0000:3b:00.0',
  }).action(async (host, ids, flags) => (await actions()).verbAction('reset', { host, ids }, flags))
}
