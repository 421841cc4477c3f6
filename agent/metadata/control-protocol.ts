import { type Static, Type } from 'typebox'
import { Value } from 'typebox/value'

// What the agent and the keeper say to each other: a line of JSON each way, matched by id.

const networkUid = Type.String({ pattern: '^[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}$' })
const id = Type.Integer()

const requestSchema = Type.Union([
  Type.Object({
    id,
    verb: Type.Literal('listen'),
    networkUid,
    namespace: Type.String({ pattern: '^[a-z0-9][a-z0-9-]{0,62}$' }),
  }),
  Type.Object({ id, verb: Type.Literal('stop'), networkUid }),
  Type.Object({ id, verb: Type.Literal('status') }),
  /** Ends keeper and worker; every network falls silent. */
  Type.Object({ id, verb: Type.Literal('end') }),
])

export type ControlRequest = Static<typeof requestSchema>

export interface KeeperStatus {
  readonly workerPid: number | undefined
  readonly networks: readonly {
    readonly networkUid: string
    readonly namespace: string
    /** The worker has the socket and answers on it. */
    readonly isServing: boolean
  }[]
}

export type ControlReply =
  | { readonly id: number; readonly ok: true; readonly status?: KeeperStatus }
  | { readonly id: number; readonly ok: false; readonly message: string }

/** undefined for what is no request. */
export function parseControlRequest(line: string): ControlRequest | undefined {
  let value: unknown
  try {
    value = JSON.parse(line)
  } catch {
    return undefined
  }
  return Value.Check(requestSchema, value) ? value : undefined
}
