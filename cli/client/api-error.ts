import { CliError, type ExitCode, exitCodes } from '../exit-codes.ts'

interface ErrorDetail {
  readonly reason?: string
  readonly field?: string
  readonly message?: string
}

/** The server said no: its sentence, and a line for each problem. */
export class ApiError extends CliError {
  readonly status: number
  readonly reasons: readonly string[]

  constructor(answer: { status: number; message: string; details: readonly ErrorDetail[] }) {
    super(answer.message, {
      exitCode: exitCodeOf(answer.status, answer.details),
      lines: renderDetails(answer.message, answer.details),
    })
    this.status = answer.status
    this.reasons = answer.details.flatMap(({ reason }) => (reason === undefined ? [] : [reason]))
  }
}

/** The error of an answer that may be anything, such as a proxy's page. */
export function apiErrorOf(status: number, body: unknown): ApiError {
  const error = (body as { error?: { message?: unknown; details?: unknown } } | undefined)?.error
  return new ApiError({
    status,
    message: typeof error?.message === 'string' ? error.message : `The server answered ${status}.`,
    details: Array.isArray(error?.details) ? (error.details as ErrorDetail[]) : [],
  })
}

/** A single detail often is the message itself: then only the field is news. */
function renderDetails(message: string, details: readonly ErrorDetail[]): string[] {
  return details.flatMap((detail) => {
    const text = detail.message ?? detail.reason ?? ''
    if (text === message && details.length === 1) {
      return detail.field === undefined ? [] : [`field: ${detail.field}`]
    }
    return [detail.field === undefined ? text : `${detail.field}: ${text}`]
  })
}

function exitCodeOf(status: number, details: readonly ErrorDetail[]): ExitCode {
  if (details.some(({ reason }) => reason === 'CAN_NEVER_FIT')) return exitCodes.conflict
  if (status === 401 || status === 403) return exitCodes.denied
  if (status === 404) return exitCodes.notFound
  if (status === 409 || status === 412) return exitCodes.conflict
  if (status === 429 || status >= 500) return exitCodes.trouble
  return exitCodes.usage
}
