// All commands of `berth`, put together. Each folder adds its own.
import { Command } from 'commander'
import { version } from '../lib/version.ts'
import { addCapacityCommand } from './capacity/command.ts'
import { addCompletionCommand } from './completion/command.ts'
import { addDevCommand } from './dev/command.ts'
import { addDiskCommands } from './disks/command.ts'
import { exitCodesHelp } from './exit-codes.ts'
import { addHostVerbs } from './hosts/command.ts'
import { addDeviceCommands } from './hosts/device-command.ts'
import { addInstancesCommand } from './instances/command.ts'
import { addLoginCommands } from './login/command.ts'
import { withExamples } from './output/examples.ts'
import { addResourceCommands } from './resources/command.ts'

const environmentHelp = `
Environment: BERTH_SERVER, BERTH_TOKEN, BERTH_REGION and BERTH_PROJECT say where and as whom, BERTH_CONTEXT names a
saved context, BERTH_CONFIG is the file that keeps them. A flag wins over the environment, and that over the file.`

/** A region of one's own is made of the sources' programs; a package has this one alone. */
const isFromSources = import.meta.url.endsWith('.ts')

export function createProgram(): Command {
  const program = withExamples(new Command('berth'), {
    'log in, and keep where and as whom': 'berth login --server https://api.example.com',
    'say whether it would fit, and why': 'berth instances plan --type g1-h100-2',
    'create an instance, and watch it come up':
      'berth instances create web-1 --type g1-small --ssh-key admin:@~/.ssh/id_ed25519.pub',
    ...(isFromSources ? { 'run a whole region on this machine': 'berth dev' } : {}),
  })
    .description('Asks a Berth region for instances.')
    .version(version)
    .addHelpText('after', environmentHelp)
    .addHelpText('after', exitCodesHelp)
    .showHelpAfterError('(add --help for what is possible)')
    .exitOverride()
  addInstancesCommand(program)
  addResourceCommands(program)
  addHostVerbs(program)
  addDeviceCommands(program)
  addCapacityCommand(program)
  addLoginCommands(program)
  addDiskCommands(program)
  addCompletionCommand(program)
  if (isFromSources) addDevCommand(program)
  return program
}
