// Owns where the command line talks to and as whom. In: flags, environment, the contexts that `berth dev` and the
// demo have written. Out: one complete context, or a sentence about what is missing. The nearest word wins: flag,
// then environment, then file.
import { readEnvironment } from '../../lib/config.ts'
import { usageError } from '../exit-codes.ts'
import { readContextFile } from './context-file.ts'

export interface Context {
  readonly server: string
  readonly token: string
  readonly region: string
  readonly project: string
}

export type ContextFlags = { readonly [Name in keyof Context]?: string } & { readonly context?: string }

const fields = ['server', 'token', 'region', 'project'] as const

export function resolveContext(flags: ContextFlags): Context {
  const name = flags.context ?? readEnvironment('BERTH_CONTEXT')
  const file = readContextFile()
  const chosen = name ?? file.current
  if (name !== undefined && file.contexts[name] === undefined) {
    const known = Object.keys(file.contexts)
    throw usageError(
      `There is no context "${name}"; ${known.length === 0 ? 'none is saved' : `there is ${known.join(', ')}`}.`,
    )
  }
  const saved: Partial<Context> = (chosen === undefined ? undefined : file.contexts[chosen]) ?? {}
  const found: Partial<Record<keyof Context, string>> = {}
  for (const field of fields) {
    const value = flags[field] ?? readEnvironment(`BERTH_${field.toUpperCase()}`) ?? saved[field]
    if (value !== undefined) found[field] = value
  }
  const { server, token, region, project } = found
  if (server === undefined || token === undefined || region === undefined || project === undefined) {
    const missing = fields.filter((field) => found[field] === undefined)
    throw usageError(
      `Missing: ${missing.map((field) => `--${field} (or BERTH_${field.toUpperCase()})`).join(', ')}. ` +
        'A local region saves them all: npm run dev',
    )
  }
  if (!/^https?:\/\//.test(server))
    throw usageError(`--server ${server} must start with http:// or https://.`)
  return { server: server.replace(/\/+$/, ''), token, region, project }
}
