import { sql } from 'kysely'
import type { ProjectId } from '../../../proto/ids.ts'
import { type Amounts, fixedMetrics, type Quota } from '../../model/quota.ts'
import type { QuotaExceeded, SetQuotas } from '../store.ts'
import { prepare } from './prepared.ts'
import { Refused } from './refused.ts'
import type { Tx } from './rows.ts'

interface Amount {
  readonly project: string
  readonly metric: string
  readonly amount: number
}

const takeOf = prepare((tx: Tx, { project, metric, amount }: Amount) =>
  tx
    .updateTable('quotas')
    .set((row) => ({ used: row('used', '+', amount) }))
    .where('project', '=', project)
    .where('metric', '=', metric)
    .where(sql<boolean>`(maximum IS NULL OR used + ${amount} <= maximum)`),
)

const giveOf = prepare((tx: Tx, { project, metric, amount }: Amount) =>
  tx
    .updateTable('quotas')
    .set((row) => ({ used: row('used', '-', amount) }))
    .where('project', '=', project)
    .where('metric', '=', metric),
)

/** Counts amounts against the project's limits, all of them or none. @throws Refused with the first that is exceeded */
export async function takeQuota(tx: Tx, project: string, amounts: Amounts): Promise<void> {
  for (const [metric, amount] of Object.entries(amounts)) {
    if (amount === 0) continue
    if ((await takeOf.run(tx, { project, metric, amount })) === 1) continue
    const exceeded = await findExceeded(tx, { project, metric, amount })
    if (exceeded) throw new Refused(exceeded)
    await tx.insertInto('quotas').values({ project, metric, used: amount, maximum: null }).execute()
  }
}

async function findExceeded(tx: Tx, { project, metric, amount }: Amount): Promise<QuotaExceeded | undefined> {
  const row = await tx
    .selectFrom('quotas')
    .selectAll()
    .where('project', '=', project)
    .where('metric', '=', metric)
    .executeTakeFirst()
  if (row === undefined) return undefined
  return { kind: 'quota-exceeded', metric, limit: row.maximum ?? 0, used: row.used, asked: amount }
}

export async function giveQuotaBack(tx: Tx, project: string, amounts: Amounts): Promise<void> {
  for (const [metric, amount] of Object.entries(amounts)) {
    if (amount === 0) continue
    await giveOf.run(tx, { project, metric, amount })
  }
}

/** Every metric that has a limit or is used, and those that every project has. */
export async function listQuotas(tx: Tx, project: ProjectId): Promise<readonly Quota[]> {
  const rows = await tx
    .selectFrom('quotas')
    .selectAll()
    .where('project', '=', project)
    .orderBy('metric')
    .execute()
  const known = new Map(rows.map((row) => [row.metric, row]))
  return [...new Set([...fixedMetrics, ...known.keys()])].map((metric) => {
    const row = known.get(metric)
    const limit = row?.maximum ?? undefined
    return { metric, used: row?.used ?? 0, ...(limit === undefined ? {} : { limit }) }
  })
}

/** Limits below what is used take nothing away: nothing new fits until enough is given back. */
export async function setQuotas(tx: Tx, { project, limits }: SetQuotas): Promise<readonly Quota[]> {
  for (const [metric, maximum] of Object.entries(limits)) {
    await tx
      .insertInto('quotas')
      .values({ project, metric, used: 0, maximum })
      .onConflict((conflict) => conflict.columns(['project', 'metric']).doUpdateSet({ maximum }))
      .execute()
  }
  return listQuotas(tx, project)
}
