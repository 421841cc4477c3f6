// Commands of what a region offers and a project has: list and get, and where the API can, create, update and delete. One
// table says what there is; a new collection of the API is a line in it.
import { type Command, Option } from 'commander'
import { addWithContext } from '../context/flags.ts'
import { type Field, type Kind, kinds } from './kinds.ts'

/** Loaded when a command runs, so that --help is instant. */
const actions = () => import('./actions.ts')
const changes = () => import('./changes.ts')

export function addResourceCommands(program: Command): void {
  for (const kind of kinds) {
    const group = program.command(kind.command).description(kind.description)
    addWithContext(group, 'list', `list ${kind.words}`)
      .alias('ls')
      .action(async (flags) => (await actions()).listAction(kind, flags))
    addWithContext(group, 'get <id>', `show one of ${kind.words}`).action(async (id, flags) =>
      (await actions()).getAction(kind, id, flags),
    )
    if (kind.changes !== undefined) addChanges(group, kind, kind.changes)
    if (kind.command === 'quotas') addSetQuotas(group)
    if (kind.command === 'images') addUpload(group)
  }
}

function addChanges(group: Command, kind: Kind, { isNameOptional, create, update }: Changes): void {
  const usage = isNameOptional ? 'create [id]' : 'create <id>'
  const make = addInZone(addWithContext(group, usage, `make one of ${kind.words}`), kind)
  addFields(make, create, true).action(async (id: string | undefined, flags) =>
    (await changes()).createAction(kind, id, flags),
  )
  const change = addInZone(addWithContext(group, 'update <id>', `change one of ${kind.words}`), kind)
  addFields(change, update, false)
    .addHelpText('after', '\nAn empty value removes what is there.')
    .action(async (id: string, flags) => (await changes()).updateAction(kind, id, flags))
  addInZone(addWithContext(group, 'delete <id...>', `delete ${kind.words} that nothing uses`), kind).action(
    async (ids: readonly string[], flags) => (await changes()).deleteAction(kind, ids, flags),
  )
}

type Changes = NonNullable<Kind['changes']>

/** Of what belongs to a zone. */
const addInZone = (command: Command, { path }: Kind): Command =>
  path.includes('ZONE') ? command.requiredOption('--zone <zone>', 'zone that it belongs to') : command

function addFields(command: Command, fields: readonly Field[], isNew: boolean): Command {
  for (const { flag, description, isRequired = false } of fields) {
    command.addOption(new Option(flag, description).makeOptionMandatory(isRequired && isNew))
  }
  return command
}

function addUpload(group: Command): void {
  addWithContext(group, 'upload <id>', 'register an image by its file, and send its bytes; for operators')
    .requiredOption('--file <path>', 'raw or qcow2')
    .option('--family <family>', 'of which the newest is found by name')
    .option('--description <text>', 'a sentence for people')
    .option('--architecture <name>', 'x86_64 or aarch64')
    .action(async (id: string, flags) => (await import('./upload.ts')).uploadAction(id, flags))
}

function addSetQuotas(group: Command): void {
  addWithContext(
    group,
    'set <limit...>',
    'set what the project may use: vcpus=64 gpus/nvidia-h100-80gb=8 instances=none; for operators',
  ).action(async (limits: readonly string[], flags) => (await changes()).setQuotasAction(limits, flags))
}
