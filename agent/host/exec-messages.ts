// What the agent and its process that starts programs say to each other, as JSON.

export interface ExecRequest {
  readonly id: number
  readonly file: string
  readonly args: readonly string[]
  readonly stdin: string
  readonly timeoutMs: number
  readonly maxOutputBytes: number
}

export interface StartRequest {
  readonly id: number
  readonly file: string
  readonly args: readonly string[]
  readonly logPath: string
}

export interface StartReply {
  readonly id: number
  readonly pid: number | undefined
  readonly failure: string | undefined
}

export type ExecCancel = { readonly cancel: number }

export interface ExecReply {
  readonly id: number
  readonly code: number | undefined
  readonly signal: string | undefined
  readonly isTimeout: boolean
  readonly isMissing: boolean
  readonly isTooMuch: boolean
  readonly stdout: string
  readonly stderr: string
  readonly failure: string | undefined
}

export type ExecQuestion = Omit<ExecRequest, 'id'> | Omit<StartRequest, 'id'>
export type ExecAnswer = ExecReply | StartReply

/** Of a program whose end nobody has seen. */
export const nothingKnown = (id: number): ExecReply => ({
  id,
  code: undefined,
  signal: undefined,
  isTimeout: false,
  isMissing: false,
  isTooMuch: false,
  stdout: '',
  stderr: '',
  failure: undefined,
})
