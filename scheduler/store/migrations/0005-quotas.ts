import { type Kysely, sql } from 'kysely'
import type { Migration } from 'kysely/migration'

/** What projects use, counted anew from what is there, and what they may use at most. */
export const quotasMigration: Migration = {
  up: async (db: Kysely<unknown>) => {
    await db.schema
      .createTable('quotas')
      .addColumn('project', 'text', (column) => column.notNull())
      .addColumn('metric', 'text', (column) => column.notNull())
      .addColumn('used', 'bigint', (column) => column.notNull())
      .addColumn('maximum', 'bigint')
      .addPrimaryKeyConstraint('quotas_key', ['project', 'metric'])
      .addCheckConstraint('quota_used', sql`used >= 0`)
      .execute()
    for (const [key, used] of await countUse(db)) {
      const [project, metric] = JSON.parse(key) as [string, string]
      await sql`INSERT INTO quotas (project, metric, used) VALUES (${project}, ${metric}, ${used})`.execute(
        db,
      )
    }
  },
}

interface Row {
  readonly project: string
  readonly holds: string
  readonly demand: string
  readonly details: string
}

async function countUse(db: Kysely<unknown>): Promise<ReadonlyMap<string, number>> {
  const { rows } = await sql<Row>`SELECT project, holds, demand, details FROM instances`.execute(db)
  const use = new Map<string, number>()
  for (const { project, holds, ...row } of rows) {
    const add = (metric: string, amount: number) => {
      const key = JSON.stringify([project, metric])
      use.set(key, (use.get(key) ?? 0) + amount)
    }
    const demand = JSON.parse(row.demand) as {
      vcpus: number
      memoryMib: number
      diskGb: number
      gpus: { type: string; count: number }[]
    }
    add('instances', 1)
    if (holds === 'nothing') continue
    add('disksGb', demand.diskGb)
    add('addresses', (JSON.parse(row.details) as { nics: unknown[] }).nics.length)
    if (holds !== 'everything') continue
    add('vcpus', demand.vcpus)
    add('memoryMib', demand.memoryMib)
    for (const { type, count } of demand.gpus) add(`gpus/${type}`, count)
  }
  return use
}
