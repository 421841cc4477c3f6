// Commands of what a region offers and a project has: list and get, and where the API can, create, update and delete. One
// table says what there is; a new collection of the API is a line in it.
import { type Command, Option } from 'commander'
import { addWithContext } from '../context/flags.ts'
import { parseCount } from '../context/numbers.ts'
import { withExamples } from '../output/examples.ts'
import type { Field } from './fields.ts'
import { type Kind, kinds, parentOf } from './kinds.ts'

/** Loaded when a command runs, so that --help is instant. */
const actions = () => import('./actions.ts')
const changes = () => import('./changes.ts')

export function addResourceCommands(program: Command): void {
  for (const kind of kinds) {
    const group = program.command(kind.command).description(kind.description)
    const line = `berth ${kind.command}`
    const list = addInParent(addWithContext(group, 'list', `list ${kind.words}`), kind, { isRequired: false })
    list.option('--limit <n>', 'no more than so many; all where absent', parseCount)
    withExamples(list, {
      'as a table': `${line} list`,
      'the first of them': `${line} list --limit 10`,
      'for a program': `${line} list -o json`,
    })
      .alias('ls')
      .action(async (flags) => (await actions()).listAction(kind, flags))
    const get = addInParent(addWithContext(group, 'get <id>', `show one of ${kind.words}`), kind, {
      isRequired: false,
    })
    withExamples(get, {
      'all there is to know': `${line} get ${kind.sample} -o yaml`,
    }).action(async (id, flags) => (await actions()).getAction(kind, id, flags))
    if (kind.changes !== undefined) addChanges(group, kind, kind.changes)
    if (kind.command === 'quotas') addSetQuotas(group)
    if (kind.command === 'images') addUpload(group)
  }
}

function addChanges(group: Command, kind: Kind, changesOfKind: Changes): void {
  const { isNameOptional, create, update, examples } = changesOfKind
  const line = (verb: string, rest = '') =>
    `berth ${kind.command} ${verb} ${kind.sample}${inParent(kind)} ${rest}`.trimEnd()
  const usage = isNameOptional ? 'create [id]' : 'create <id>'
  const make = addInParent(addWithContext(group, usage, `make one of ${kind.words}`), kind)
  withExamples(addFields(make, create, true), {
    [examples.create[0]]: line('create', examples.create[1]),
  }).action(async (id: string | undefined, flags) => (await changes()).createAction(kind, id, flags))
  const change = addInParent(addWithContext(group, 'update <id>', `change one of ${kind.words}`), kind)
  withExamples(addFields(change, update, false), {
    [examples.update[0]]: line('update', examples.update[1]),
    'an empty value removes what is there': line('update', "--description ''"),
  }).action(async (id: string, flags) => (await changes()).updateAction(kind, id, flags))
  const remove = addWithContext(group, 'delete <id...>', `delete ${kind.words} that nothing uses`)
  withExamples(addInParent(remove, kind), { 'refused while something uses it': line('delete') }).action(
    async (ids: readonly string[], flags) => (await changes()).deleteAction(kind, ids, flags),
  )
}

type Changes = NonNullable<Kind['changes']>

function inParent(kind: Kind): string {
  const parent = parentOf(kind)
  return parent === undefined ? '' : ` --${parent.flag} ${parent.sample}`
}

/** Of what belongs to a zone or a network. */
function addInParent(command: Command, kind: Kind, { isRequired } = { isRequired: true }): Command {
  const parent = parentOf(kind)
  if (parent === undefined) return command
  const { flag } = parent
  const words = isRequired ? `${flag} that it belongs to` : `${flag} to look in; all where absent`
  return command.addOption(new Option(`--${flag} <${flag}>`, words).makeOptionMandatory(isRequired))
}

function addFields(command: Command, fields: readonly Field[], isNew: boolean): Command {
  for (const { flag, description, isRequired = false } of fields) {
    command.addOption(new Option(flag, description).makeOptionMandatory(isRequired && isNew))
  }
  return command
}

function addUpload(group: Command): void {
  const upload = 'register an image by its file, and send its bytes; for operators'
  withExamples(addWithContext(group, 'upload <id>', upload), {
    'the newest of its family from now on':
      'berth images upload debian-13-v2 --file debian.qcow2 --family debian-13',
  })
    .requiredOption('--file <path>', 'raw or qcow2')
    .option('--family <family>', 'of which the newest is found by name')
    .option('--description <text>', 'a sentence for people')
    .option('--architecture <name>', 'x86_64 or aarch64')
    .option('--metadata-flavour <name>', 'what it looks for at boot: NOCLOUD, GCE, EC2 or OPENSTACK')
    .option('--seed-disk', 'guests find their metadata on a disk labelled cidata')
    .option('--firmware <name>', 'what boots it: BIOS or UEFI')
    .action(async (id: string, flags) => (await import('./upload.ts')).uploadAction(id, flags))
}

function addSetQuotas(group: Command): void {
  const set = 'set what the project may use; for operators'
  withExamples(addWithContext(group, 'set <limit...>', set), {
    '64 vCPUs, eight GPUs of a type, and as many instances as they carry':
      'berth quotas set vcpus=64 gpus/nvidia-h100-80gb=8 instances=none',
  }).action(async (limits: readonly string[], flags) => (await changes()).setQuotasAction(limits, flags))
}
