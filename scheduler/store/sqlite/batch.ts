// Calls that share one transaction and one flush, each with an outcome of its own.
import Database from 'better-sqlite3'
import { CompiledQuery } from 'kysely'
import { forgetHints } from '../procedures/address-hints.ts'
import { procedures, type StoreMethod, writes } from '../procedures/catalogue.ts'
import { readCapacityAfter } from '../procedures/hosts.ts'
import { Refused } from '../procedures/refused.ts'
import type { Tx } from '../procedures/rows.ts'
import { writeSequences } from '../procedures/sequences.ts'
import type { BatchOutcome, WorkerCall, WorkerOutcome } from './protocol.ts'
import type { Transactions } from './transactions.ts'

export interface Batch {
  readonly transactions: Transactions
  readonly calls: readonly WorkerCall[]
  /** Of the newest host that callers have heard of. */
  readonly revision: number
  readonly flushDelayMs: number
}

/** A call that could not be taken back alone has failed. Nothing of its batch is left. */
export class Spoilt extends Error {
  override readonly name = 'Spoilt'
}

type RunCall = (tx: Tx, call: WorkerCall) => Promise<WorkerOutcome>

/** @throws Spoilt */
export async function runBatch(batch: Batch, runCall: RunCall): Promise<BatchOutcome> {
  const { transactions, calls } = batch
  const hasWritten = calls.some((call) => writes.has(call.method))
  let tx: Tx | undefined
  try {
    tx = transactions.begin(hasWritten ? 'write' : 'read')
    const outcomes: WorkerOutcome[] = []
    for (const call of calls) outcomes.push(await runCall(tx, call))
    const changedHosts = hasWritten ? await readCapacityAfter(tx, batch.revision) : []
    await writeSequences(tx)
    if (batch.flushDelayMs > 0 && hasWritten) pause(batch.flushDelayMs)
    transactions.commit()
    return { outcomes, changedHosts }
  } catch (thrown) {
    transactions.rollBack()
    if (tx !== undefined) forgetHints(tx)
    if (thrown instanceof Spoilt) throw thrown
    const message = `The store could not commit: ${sentenceOf(thrown)}`
    const outcomes = calls.map(({ id }) => ({ id, ok: false, isUnavailable: true, message }) as const)
    return { outcomes, changedHosts: [] }
  }
}

/**
 * Nearly all calls succeed, and a savepoint costs half as much as what is written in it: SQLite copies each page before
 * the call first changes it. @throws Spoilt
 */
export async function runPlainly(tx: Tx, call: WorkerCall): Promise<WorkerOutcome> {
  const outcome = await attempt(tx, call)
  const hasFailed = !outcome.ok || outcome.value instanceof Refused
  if (hasFailed && writes.has(call.method)) throw new Spoilt(call.method)
  return outcome
}

const savepoint = CompiledQuery.raw('SAVEPOINT item')
const releaseSavepoint = CompiledQuery.raw('RELEASE item')
const rollBackToSavepoint = CompiledQuery.raw('ROLLBACK TO item')

export async function runInSavepoint(tx: Tx, call: WorkerCall): Promise<WorkerOutcome> {
  if (!writes.has(call.method)) return attempt(tx, call)
  await tx.executeQuery(savepoint)
  const outcome = await attempt(tx, call)
  if (outcome.ok && !(outcome.value instanceof Refused)) {
    await tx.executeQuery(releaseSavepoint)
    return outcome
  }
  await tx.executeQuery(rollBackToSavepoint)
  return outcome.ok ? { ...outcome, value: (outcome.value as Refused).outcome } : outcome
}

async function attempt(tx: Tx, { id, method, args }: WorkerCall): Promise<WorkerOutcome> {
  try {
    return { id, ok: true, value: await procedure(method)(tx, ...args) }
  } catch (thrown) {
    if (thrown instanceof Refused) return { id, ok: true, value: thrown }
    return { id, ok: false, isUnavailable: isTroubleOfTheMachine(thrown), message: sentenceOf(thrown) }
  }
}

function procedure(method: StoreMethod): (tx: Tx, ...args: readonly unknown[]) => Promise<unknown> {
  return procedures[method] as never
}

/** Blocks this thread, as a slow disk would. */
function pause(durationMs: number): void {
  Atomics.wait(new Int32Array(new SharedArrayBuffer(4)), 0, 0, durationMs)
}

/** Not of the statement: the same call can succeed later. */
const isTroubleOfTheMachine = (thrown: unknown) =>
  thrown instanceof Database.SqliteError &&
  /^SQLITE_(FULL|IOERR|BUSY|LOCKED|NOMEM|READONLY)/.test(thrown.code)

export const sentenceOf = (thrown: unknown) => (thrown instanceof Error ? thrown.message : String(thrown))
