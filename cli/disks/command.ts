import { type Command, InvalidArgumentError } from 'commander'
import { addWithContext } from '../context/flags.ts'

/** Loaded when a command runs, so that --help is instant. */
const actions = () => import('./actions.ts')

/** Beside list and get. */
export function addDiskCommands(program: Command): void {
  const disks = program.commands.find((command) => command.name() === 'disks')
  const instances = program.commands.find((command) => command.name() === 'instances')
  if (disks === undefined || instances === undefined) throw new Error('Verbs of disks come after the disks.')

  addWithContext(disks, 'create', 'create a disk; its first use decides on which host it lives')
    .option('--id <id>', 'name of the disk; made up where absent')
    .option('--size-gb <n>', "size; the image's where absent", parseWhole)
    .option('--image <image>', 'image that it is made from; blank where absent')
    .option('--zone <zone>', 'zone, where the region has several')
    .option('--description <text>', 'what it is for')
    .action(async (flags) => (await actions()).createAction(flags))
  addWithContext(disks, 'resize <id>', 'grow a disk, also under an instance that runs')
    .requiredOption('--size-gb <n>', 'size; no less than it has', parseWhole)
    .option('--no-wait', 'return as soon as the request is accepted')
    .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
    .action(async (id, flags) => (await actions()).resizeAction(id, flags))
  addWithContext(disks, 'delete <id...>', 'delete disks with their data').action(async (ids, flags) =>
    (await actions()).deleteAction(ids, flags),
  )

  addWithContext(instances, 'attach-disk <id> <disk>', 'give an instance a disk, also while it runs')
    .option('--device-name <name>', 'found in the guest as /dev/disk/by-id/virtio-NAME; made up where absent')
    .option('--interface <interface>', 'VIRTIO, NVME or SCSI')
    .option('--read-only', 'keep the guest from writing')
    .option('--no-wait', 'return as soon as the request is accepted')
    .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
    .action(async (id, disk, flags) => (await actions()).attachAction(id, disk, flags))
  addWithContext(instances, 'detach-disk <id> <device>', 'take a disk from an instance, also while it runs')
    .option('--no-wait', 'return as soon as the request is accepted')
    .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
    .action(async (id, device, flags) => (await actions()).detachAction(id, device, flags))
}

function parseWhole(value: string): number {
  if (!/^\d{1,9}$/.test(value)) throw new InvalidArgumentError('It must be a whole number.')
  return Number(value)
}
