import { readFileSync } from 'node:fs'
import type { Static, TSchema } from 'typebox'
import { Value } from 'typebox/value'
import { parseDocument } from 'yaml'

/** The settings in a file are wrong: every problem, each with its place. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError'
}

/**
 * Reads a YAML file once into typed, frozen settings. Defaults come from the schema; an unknown key, a missing
 * one or a wrong type stops the program with a sentence for each.
 */
export function readConfigFile<Schema extends TSchema>(schema: Schema, path: string): Static<Schema> {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (thrown) {
    throw new ConfigError(`Settings file ${path} can't be read.`, { cause: thrown })
  }
  return parseConfig(schema, text, path)
}

export function parseConfig<Schema extends TSchema>(
  schema: Schema,
  text: string,
  path: string,
): Static<Schema> {
  const document = parseDocument(text, { uniqueKeys: true })
  if (document.errors.length > 0) {
    throw new ConfigError(`Settings file ${path}: ${document.errors.map((e) => e.message).join('; ')}`)
  }
  const withDefaults = Value.Default(schema, document.toJS({ maxAliasCount: 100 }) ?? {})
  const problems = [...Value.Errors(schema, withDefaults)].map(
    (problem) => `${problem.instancePath || '/'} ${problem.message}`,
  )
  if (problems.length > 0) throw new ConfigError(`Settings file ${path}: ${problems.join('; ')}`)
  return deepFreeze(withDefaults as Static<Schema>)
}

/** A secret or certificate that has a file of its own; blank space around it does not count. */
export function readSecretFile(path: string): string {
  try {
    return readFileSync(path, 'utf8').trim()
  } catch (thrown) {
    throw new ConfigError(`${path} can't be read.`, { cause: thrown })
  }
}

/** An environment variable, or undefined where it is unset or empty. */
export function readEnvironment(name: string): string | undefined {
  const value = process.env[name]
  return value === undefined || value === '' ? undefined : value
}

function deepFreeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.freeze(value)
    for (const child of Object.values(value)) deepFreeze(child)
  }
  return value
}
