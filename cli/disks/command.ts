import type { Command } from 'commander'
import { addWithContext } from '../context/flags.ts'
import { parseWhole } from '../context/numbers.ts'
import { withExamples } from '../output/examples.ts'

/** Loaded when a command runs, so that --help is instant. */
const actions = () => import('./actions.ts')

/** Beside what all collections have. */
export function addDiskCommands(program: Command): void {
  const disks = program.commands.find((command) => command.name() === 'disks')
  const instances = program.commands.find((command) => command.name() === 'instances')
  if (disks === undefined || instances === undefined) throw new Error('Verbs of disks come after the disks.')

  withExamples(addWithContext(disks, 'resize <id>', 'grow a disk, also under an instance that runs'), {
    'grow to 200 GB': 'berth disks resize data-1 --size-gb 200',
  })
    .requiredOption('--size-gb <n>', 'size; no less than it has', parseWhole)
    .option('--no-wait', 'return as soon as the request is accepted')
    .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
    .action(async (id, flags) => (await actions()).resizeAction(id, flags))
  withExamples(
    addWithContext(instances, 'attach-disk <id> <disk>', 'give an instance a disk, also while it runs'),
    { 'found in the guest as virtio-data': 'berth instances attach-disk web-1 data-1 --device-name data' },
  )
    .option('--device-name <name>', 'found in the guest as /dev/disk/by-id/virtio-NAME; made up where absent')
    .option('--interface <interface>', 'VIRTIO, NVME or SCSI')
    .option('--read-only', 'keep the guest from writing')
    .option('--no-wait', 'return as soon as the request is accepted')
    .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
    .action(async (id, disk, flags) => (await actions()).attachAction(id, disk, flags))
  withExamples(
    addWithContext(
      instances,
      'detach-disk <id> <device>',
      'take a disk from an instance, also while it runs',
    ),
    { 'unmount it in the guest first': 'berth instances detach-disk web-1 data' },
  )
    .option('--no-wait', 'return as soon as the request is accepted')
    .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
    .action(async (id, device, flags) => (await actions()).detachAction(id, device, flags))
}
