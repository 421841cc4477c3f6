import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { createClient } from '../client/client.ts'
import { type Context, type ContextFlags, findContext } from '../context/context.ts'
import { readContextFile, removeContext, replaceContext, writeContext } from '../context/context-file.ts'
import { CliError, exitCodes, usageError } from '../exit-codes.ts'
import { showProgress } from '../output/progress.ts'
import { type LoginTarget, loginWithDevice, refreshLogin, revokeLogin, type Tokens } from './oidc.ts'

export interface LoginFlags {
  readonly server: string
  readonly issuer?: string
  readonly clientId?: string
  readonly region?: string
  readonly project?: string
  readonly name?: string
}

const clock = systemClock

export async function loginAction(flags: LoginFlags): Promise<void> {
  const server = flags.server.replace(/\/+$/, '')
  if (!URL.canParse(server)) throw usageError(`--server ${server} is no URL; write https://….`)
  const target = await readTarget(server, flags)
  const tokens = await showProgress(
    { title: `Logging in to ${server}`, clock, isTerminal: process.stderr.isTTY },
    (progress) =>
      loginWithDevice(target, {
        clock,
        show: ({ url, completeUrl, code, expiresInSeconds }) => {
          progress.say(`Open ${completeUrl ?? url} and confirm the code ${code}`)
          progress.say(`Waiting; the code is good for ${Math.round(expiresInSeconds / 60)} minutes`)
        },
      }),
  )
  const place = await findPlace(server, tokens, flags)
  const name = flags.name ?? new URL(server).host
  const path = writeContext(name, { server, ...tokens, ...place })
  process.stdout.write(
    `Logged in: context ${name} (region ${place.region}, project ${place.project}) in ${path}\n`,
  )
}

/** What the server says about its tokens, or what the flags say instead. */
async function readTarget(server: string, flags: LoginFlags): Promise<LoginTarget> {
  const url = `${server}/.well-known/oauth-protected-resource`
  const response = await fetch(url, { signal: AbortSignal.timeout(30_000) }).catch(() => undefined)
  if (response === undefined) {
    throw new CliError(`The server ${server} does not answer: is --server right, and does it run?`, {
      exitCode: exitCodes.trouble,
    })
  }
  if (!response.ok) {
    throw new CliError(`The server ${server} does not say where tokens come from: is it a Berth server?`, {
      exitCode: exitCodes.trouble,
    })
  }
  const said = (await response.json()) as {
    readonly resource: string
    readonly authorization_servers: readonly string[]
    readonly scopes_supported: readonly string[]
    readonly berth_cli_client_id?: string
  }
  const clientId = flags.clientId ?? said.berth_cli_client_id
  if (clientId === undefined) {
    throw usageError('This server names no client for logins: give --client-id, as its operator says.')
  }
  const scopes = said.scopes_supported.length > 0 ? said.scopes_supported : ['openid', 'offline_access']
  const issuer = flags.issuer ?? said.authorization_servers[0] ?? ''
  return { issuer, clientId, audience: said.resource, scopes }
}

/** The only region there is, and a project that the user has a role in. */
async function findPlace(
  server: string,
  { token }: Tokens,
  flags: LoginFlags,
): Promise<Pick<Context, 'region' | 'project'>> {
  const list = async (region: string, path: string, plural: string) => {
    const context = { server, token, region, project: '' }
    const client = createClient({ context, clock, random: systemRandom })
    return client.listCollection(path, plural)
  }
  const response = await fetch(`${server}/v1/regions`, { headers: { authorization: `Bearer ${token}` } })
  if (!response.ok) {
    throw new CliError(`The server does not take the token of the issuer (it answers ${response.status}).`, {
      exitCode: exitCodes.denied,
    })
  }
  const { regions } = (await response.json()) as { regions: readonly { id: string }[] }
  const region = flags.region ?? regions[0]?.id ?? ''
  const projects = await list(region, 'projects', 'projects')
  const project = flags.project ?? projects[0]?.id
  if (project !== undefined) return { region, project }
  throw new CliError('You have a role in no project: ask an administrator for one, or give --project.', {
    exitCode: exitCodes.denied,
  })
}

/** Before a command: a token that is about to end is replaced without a word. */
export async function refreshIfNeeded(flags: ContextFlags): Promise<void> {
  const found = findContext(flags)
  const login = found?.context.login
  if (found === undefined || login === undefined || flags.token !== undefined) return
  if (login.expiresAtMs > clock.nowMs() + 30_000) return
  const tokens = await refreshLogin(login, clock)
  replaceContext(found.name, { ...found.context, ...tokens })
}

export async function logoutAction(flags: ContextFlags): Promise<void> {
  const found = findContext(flags)
  if (found === undefined) throw usageError('There is no context to log out of.')
  const { name, context } = found
  if (context.login !== undefined) {
    await revokeLogin(context.login).catch((thrown: unknown) => {
      const why = thrown instanceof Error ? thrown.message : String(thrown)
      process.stderr.write(`The issuer could not be told (${why}); the login is forgotten here.\n`)
    })
  }
  removeContext(name, context.server)
  process.stdout.write(`Logged out of ${name}\n`)
}

export function listContexts(): void {
  const { contexts, current } = readContextFile()
  if (Object.keys(contexts).length === 0) {
    process.stdout.write('No contexts. berth login saves one, and so does berth dev.\n')
  }
  for (const [name, { server, region, project }] of Object.entries(contexts)) {
    process.stdout.write(`${name === current ? '*' : ' '} ${name}  ${server}  ${region}  ${project}\n`)
  }
}
