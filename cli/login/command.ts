// `berth login`, `berth logout` and `berth context`: who one is, and where. In: what a person says and an issuer confirms.
// Out: contexts in the file that every other command reads.
import type { Command } from 'commander'
import { type ContextFlags, findContext } from '../context/context.ts'
import { readContextFile, removeContext, useContext } from '../context/context-file.ts'
import { usageError } from '../exit-codes.ts'
import { withExamples } from '../output/examples.ts'

const actions = () => import('./actions.ts')

export function addLoginCommands(program: Command): void {
  withExamples(program.command('login'), {
    'the server says who issues tokens': 'berth login --server https://api.example.com',
    'a second place beside the first': 'berth login --server https://eu.example.com --project shop --name eu',
  })
    .description('log in through a browser, and save where and as whom')
    .requiredOption('--server <url>', 'URL of the API')
    .option('--issuer <url>', 'where tokens come from; the server says where absent')
    .option('--client-id <id>', 'what this program is to the issuer; the server says where absent')
    .option('--region <id>', 'region; the one there is where absent')
    .option('--project <id>', 'project; the first that you have a role in where absent')
    .option('--name <name>', 'of the saved context; the host of the server where absent')
    .action(async (flags) => (await actions()).loginAction(flags))
  withExamples(program.command('logout'), { 'of one place of several': 'berth logout --context eu' })
    .description('end a login, here and at its issuer')
    .option('--context <name>', 'a saved context instead of the current one')
    .action(async (flags) => (await actions()).logoutAction(flags))
  addContextCommands(program)
  // Every command that talks to a region has --context.
  program.hook('preAction', async (_program, command) => {
    const talks = command.options.some(({ long }) => long === '--token')
    if (talks && isNearItsEnd(command.opts())) await (await actions()).refreshIfNeeded(command.opts())
  })
}

/** Looked at here, so that most commands do not load what logs in. */
function isNearItsEnd(flags: ContextFlags): boolean {
  const login = findContext(flags)?.context.login
  return login !== undefined && login.expiresAtMs < Date.now() + 30_000
}

function addContextCommands(program: Command): void {
  const context = program
    .command('context')
    .description('saved places and logins, one of them the current one')
  withExamples(context.command('list'), { 'what is saved': 'berth context list' })
    .alias('ls')
    .description('list them; * is the current one')
    .action(async () => (await actions()).listContexts())
  withExamples(context.command('use <name>'), { 'all that follows goes there': 'berth context use eu' })
    .description('make one the current one')
    .action((name: string) => {
      assertKnown(name)
      useContext(name)
    })
  withExamples(context.command('delete <name>'), { 'forget it': 'berth context delete eu' })
    .description('forget one')
    .action((name: string) => {
      removeContext(name, assertKnown(name).server)
    })
}

function assertKnown(name: string) {
  const { contexts } = readContextFile()
  const found = contexts[name]
  if (found !== undefined) return found
  throw usageError(`There is no context "${name}"; there is ${Object.keys(contexts).join(', ') || 'none'}.`)
}
