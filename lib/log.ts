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

export interface LoggerOptions {
  readonly level: string
  readonly fields?: object
  /** Default: standard output. */
  readonly descriptor?: number
  /** Lines of that long are written at once: who is killed loses them. Default 0: each as soon as the one before is written. */
  readonly gatherMs?: number
}

/** A page of them is not waited for. */
const gatheredBytes = 4096

/** JSON lines. */
export function createLogger({ level, fields = {}, descriptor = 1, gatherMs = 0 }: LoggerOptions): Logger {
  const gathered = gatherMs === 0 ? {} : { minLength: gatheredBytes, periodicFlush: gatherMs }
  return pino(
    {
      level,
      base: fields,
      timestamp: pino.stdTimeFunctions.isoTime,
      redact: { paths: secretPaths, censor: '[secret]' },
      serializers: { err: serializeError },
      formatters: { level: (label) => ({ level: label }) },
    },
    pino.destination({ fd: descriptor, sync: false, ...gathered }),
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
