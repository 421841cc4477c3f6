import { pino } from 'pino'

/** Structured log. Fields carry `requestId`, `instanceUid`, `hostId`, `component`; never a secret or user data. */
export interface Logger {
  debug(fields: object, message: string): void
  info(fields: object, message: string): void
  warn(fields: object, message: string): void
  error(fields: object, message: string): void
  child(fields: object): Logger
}

const secretPaths = [
  'authorization',
  'token',
  'secret',
  'password',
  'metadata',
  'instanceMetadata',
  'spec.metadata',
  'headers.authorization',
]

/** JSON lines on standard output (or another descriptor). */
export function createLogger(options: { level: string; fields?: object; descriptor?: number }): Logger {
  return pino(
    {
      level: options.level,
      base: options.fields ?? {},
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secretPaths, censor: '[secret]' },
      serializers: { err: serializeError },
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: options.descriptor ?? 1, sync: false }),
  )
}

export const silentLogger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  child: () => silentLogger,
}

function serializeError(thrown: unknown): unknown {
  if (!(thrown instanceof Error)) return thrown
  return { ...pino.stdSerializers.err(thrown), message: describeCauses(thrown) }
}

/** The error's sentence and those of its causes, each once. */
export function describeCauses(thrown: unknown): string {
  const sentences: string[] = []
  for (let current: unknown = thrown; current !== undefined && current !== null; ) {
    const sentence = current instanceof Error ? current.message : String(current)
    if (!sentences.includes(sentence)) sentences.push(sentence)
    current = current instanceof Error ? current.cause : undefined
  }
  return sentences.join(': ')
}
