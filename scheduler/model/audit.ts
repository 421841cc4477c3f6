/** One request that was to change something, whatever came of it. Holds no body and no secret. */
export interface AuditEntry {
  /** UUID (v7): the order is that of time. */
  readonly id: string
  readonly atMs: number
  readonly principal: string
  /** Absent outside of projects. */
  readonly project?: string
  /** createInstance, as the API's document has it. */
  readonly action: string
  readonly method: string
  readonly path: string
  readonly status: number
  /** Why it was refused. */
  readonly reason?: string
  readonly requestId: string
  readonly sourceAddress: string
}
