// Owns where the command line talks to and as whom. In: flags, environment, the contexts that `berth dev` and the
// demo have written. Out: one complete context, or a sentence about what is missing. The nearest word wins: flag,
// then environment, then file.
import { readEnvironment } from '../../lib/config.ts'
import { usageError } from '../exit-codes.ts'
import { readContextFile } from './context-file.ts'

/** Where a token came from, and how to get the next one without asking anybody. */
export interface Login {
  readonly issuer: string
  readonly clientId: string
  readonly audience: string
  readonly refreshToken?: string
  readonly expiresAtMs: number
}

export interface Context {
  readonly server: string
  readonly token: string
  readonly region: string
  readonly project: string
  readonly login?: Login
}

type Field = 'server' | 'token' | 'region' | 'project'

export type ContextFlags = { readonly [Name in Field]?: string } & { readonly context?: string }

const fields: readonly Field[] = ['server', 'token', 'region', 'project']

/** The saved context that the flags, the environment or the file choose. */
export function findContext(
  flags: Pick<ContextFlags, 'context'>,
): { readonly name: string; readonly context: Context } | undefined {
  const asked = flags.context ?? readEnvironment('BERTH_CONTEXT')
  const file = readContextFile()
  const name = asked ?? file.current
  const context = name === undefined ? undefined : file.contexts[name]
  if (name !== undefined && context !== undefined) return { name, context }
  if (asked === undefined) return undefined
  const known = Object.keys(file.contexts)
  throw usageError(
    `There is no context "${asked}"; ${known.length === 0 ? 'none is saved' : `there is ${known.join(', ')}`}.`,
  )
}

export function resolveContext(flags: ContextFlags): Context {
  const saved: Partial<Context> = findContext(flags)?.context ?? {}
  const found: Partial<Record<Field, string>> = {}
  for (const field of fields) {
    const value = flags[field] ?? readEnvironment(`BERTH_${field.toUpperCase()}`) ?? saved[field]
    if (value !== undefined) found[field] = value
  }
  const { server, token, region, project } = found
  if (server === undefined || token === undefined || region === undefined || project === undefined) {
    const missing = fields.filter((field) => found[field] === undefined)
    throw usageError(
      `Missing: ${missing.map((field) => `--${field} (or BERTH_${field.toUpperCase()})`).join(', ')}. ` +
        'berth login saves them all, and so does a local region: npm run dev',
    )
  }
  if (!/^https?:\/\//.test(server))
    throw usageError(`--server ${server} must start with http:// or https://.`)
  return { server: server.replace(/\/+$/, ''), token, region, project }
}
