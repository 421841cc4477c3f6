import type { Command } from 'commander'
import type { ChangeRequest } from '../client/client.ts'
import { collect } from '../context/collect.ts'
import { addWithContext } from '../context/flags.ts'
import { parseCount, parseWhole } from '../context/numbers.ts'
import { withExamples } from '../output/examples.ts'
import { examples } from './examples.ts'

type Verb = ChangeRequest['verb']

/** Loaded when a command runs, so that --help is instant. */
const actions = () => import('./actions.ts')

export function addInstancesCommand(program: Command): void {
  const instances = program
    .command('instances')
    .alias('instance')
    .description('create, look at, start, stop, change and delete instances')

  const add = (usage: string, description: string) =>
    withExamples(addWithContext(instances, usage, description), examples[usage.split(' ')[0] ?? ''] ?? {})

  const addWithSpec = (usage: string, description: string) =>
    add(usage, description)
      .requiredOption('--type <type>', 'instance type: id or path')
      .option('--zone <zone>', 'zone of the type, where the region has several')
      .option('--image <image>', "image of the boot disk; the type's default where absent")
      .option('--disk-gb <n>', 'size of the boot disk', parseWhole)
      .option('--network <network>', 'network of the NIC; "default" where absent')
      .option('--subnet <subnet>', "subnet of the NIC; the network's only one where absent")
      .option(
        '--address <ipv4>',
        'address of the NIC, such as one that the project keeps; a free one where absent',
      )
      .option('--gpu <type[:count]>', 'GPUs; may be repeated', collect)
      .option(
        '--gpu-topology <topology>',
        'how near they are: same-numa, same-switch, fabric; any where absent',
      )
      .option('--reservation <reservation>', 'capacity that was reserved for it')
      .option('--affinity <group>', 'on the host of the others in this group; may be repeated', collect)
      .option('--anti-affinity <group>', 'on another host than all in this group; may be repeated', collect)
      .option('--isolation <isolation>', 'host: alone on its host; shared where absent')
      .option('--host-label <key=value>', 'what its host is labelled; may be repeated', collect)
      .option('--packing <packing>', 'spread: rather on hosts that are not in use; pack where absent')
      .option('--expected-lifetime <seconds>', 'a hint of how long it stays', parseWhole)
      .option('--no-automatic-restart', 'after a crash it stays STOPPED')
      .option('--wait-for-capacity', 'where there is no room now, it is PENDING until there is')
      .option('--wait-timeout <seconds>', 'how long it is PENDING at most; a week where absent', parseWhole)
      .option('--ssh-key <[user:]@file>', 'public key of a login; may be repeated', collect)
      .option('--user-data <@file>', 'what cloud-init does in the guest')
      .option('--metadata <key=value>', 'instance metadata, or key=@file; may be repeated', collect)
      .option('--label <key=value>', 'label; may be repeated', collect)
      .option('--hostname <name>', 'hostname; made from the names where absent')
      .option('--display-name <text>', 'a name for people')
      .option('--description <text>', 'what it is for')
      .option('--count <n>', 'so many that are alike, all or none: ID-1, ID-2, …', parseCount)
      .option(
        '--same-host-label <key>',
        'all of them on hosts where this label has one value, such as rack; with --count',
      )

  addWithSpec('create [id]', 'create an instance, and wait until it runs')
    .option('--idempotency-key <key>', 'the same key twice creates one instance')
    .option('--wait', 'return once it runs', true)
    .option('--no-wait', 'return as soon as the create is accepted')
    .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
    .action(async (id, flags) => (await actions()).createAction(id, flags))

  addWithSpec('plan [id]', 'say whether a create would fit, and why, without creating anything').action(
    async (id, flags) => (await actions()).planAction(id, flags),
  )

  add('list', 'list the instances of the project')
    .alias('ls')
    .option('--filter <expression>', 'such as: lifecycle.status=RUNNING AND labels.team:ml')
    .option('--order-by <field>', 'createdAt, updatedAt or id, each with or without desc')
    .option('--limit <n>', 'no more than so many; all where absent', parseCount)
    .option('-w, --watch', 'go on showing what changes, a line for each')
    .action(async (flags) => (await actions()).listAction(flags))

  add('get <id>', 'show one instance').action(async (id, flags) => (await actions()).getAction(id, flags))

  add('delete <id...>', 'delete instances with their disks')
    .option('--wait', 'return once their host has proved that nothing is left', false)
    .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
    .action(async (ids, flags) => (await actions()).deleteAction(ids, flags))

  const addVerb = (verb: Verb, description: string) =>
    add(`${verb} <id...>`, description)
      .option('--no-wait', 'return as soon as the request is accepted')
      .option('--timeout <seconds>', 'how long to wait', parseWhole, 900)
      .action(async (ids, flags) => (await actions()).verbAction(verb, ids, flags))

  addVerb('start', 'start instances that are STOPPED, on the host that has their disks')
  addVerb('stop', 'power instances off; names, addresses and disks stay').option(
    '--force',
    'end the guest at once, as pulling the plug does',
  )
  addVerb('suspend', 'write memory to disk, and free CPU and memory')
  addVerb('resume', 'let suspended instances go on where they were')
  addVerb('restart', 'stop instances and start them again')
  addVerb('reset', 'press the reset button: the guest is not asked')

  add('update <id>', 'change what can be changed: metadata reaches a running guest at once')
    .option('--metadata <key=value>', 'set instance metadata, or key=@file; may be repeated', collect)
    .option('--remove-metadata <key>', 'remove instance metadata; may be repeated', collect)
    .option('--label <key=value>', 'set a label; may be repeated', collect)
    .option('--remove-label <key>', 'remove a label; may be repeated', collect)
    .option('--display-name <text>', 'a name for people; empty removes it')
    .option('--description <text>', 'what it is for; empty removes it')
    .action(async (id, flags) => (await actions()).updateAction(id, flags))

  add('events <id>', 'show every change of state, with its reason').action(async (id, flags) =>
    (await actions()).eventsAction(id, flags),
  )

  add('explain <id>', 'say where it is and why there, for operators').action(async (id, flags) =>
    (await actions()).explainAction(id, flags),
  )

  add('guest-attributes <id> [path]', 'show what the guest has put in its guest attributes').action(
    async (id, path, flags) => (await actions()).guestAttributesAction(id, path, flags),
  )

  add('serial <id>', 'show what the guest wrote to its serial port')
    .option('--start <offset>', 'first byte to show; negative: that many from the end', '0')
    .option('-f, --follow', 'go on showing what comes')
    .action(async (id, flags) => (await actions()).serialAction(id, flags))

  add('console <id>', "type at a guest's serial console").action(async (id, flags) =>
    (await actions()).consoleAction(id, flags),
  )
}
