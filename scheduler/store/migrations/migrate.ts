import type { Kysely } from 'kysely'
import { type Migration, Migrator } from 'kysely/migration'
import { instancesMigration } from './0001-instances.ts'
import { reportedCapacityMigration } from './0002-reported-capacity.ts'
import { operationsMigration } from './0003-operations.ts'
import { listsMigration } from './0004-lists.ts'
import { quotasMigration } from './0005-quotas.ts'
import { resourcesMigration } from './0007-resources.ts'
import { auditMigration } from './0008-audit.ts'
import { disksMigration } from './0009-disks.ts'
import { reservationsMigration } from './0010-reservations.ts'
import { firewallsMigration } from './0012-firewalls.ts'
import { flavoursMigration } from './0013-flavours.ts'
import { uplinksMigration } from './0014-uplinks.ts'
import { placesMigration } from './0015-places.ts'
import { membersMigration } from './0018-members.ts'
import { devicesMigration } from './0019-devices.ts'
import { partitionsMigration } from './0020-partitions.ts'
import { switchesMigration } from './0021-switches.ts'
import { schedulingMigration } from './0022-scheduling.ts'
import { waitingMigration } from './0023-waiting.ts'
import { attributesMigration } from './0024-attributes.ts'
import { keyedRowsMigration } from './0025-keyed-rows.ts'
import { acknowledgementsMigration } from './0026-acknowledgements.ts'
import { cellsMigration } from './0027-cells.ts'
import { hostPartsMigration } from './0028-host-parts.ts'
import type { ColumnTypes } from './column-types.ts'

/** In order of their names. */
export const migrationsFor = (types: ColumnTypes): Readonly<Record<string, Migration>> => ({
  '0001-instances': instancesMigration(types),
  '0002-reported-capacity': reportedCapacityMigration,
  '0003-operations': operationsMigration,
  '0004-lists': listsMigration,
  '0005-quotas': quotasMigration,
  '0007-resources': resourcesMigration,
  '0008-audit': auditMigration,
  '0009-disks': disksMigration(types),
  '0010-reservations': reservationsMigration,
  '0012-firewalls': firewallsMigration,
  '0013-flavours': flavoursMigration,
  '0014-uplinks': uplinksMigration,
  '0015-places': placesMigration,
  '0018-members': membersMigration,
  '0019-devices': devicesMigration,
  '0020-partitions': partitionsMigration,
  '0021-switches': switchesMigration,
  '0022-scheduling': schedulingMigration,
  '0023-waiting': waitingMigration,
  '0024-attributes': attributesMigration,
  '0025-keyed-rows': keyedRowsMigration(types),
  '0026-acknowledgements': acknowledgementsMigration,
  '0027-cells': cellsMigration,
  '0028-host-parts': hostPartsMigration,
})

/** Brings the schema to this version, each step in a transaction of its own; a newer schema is refused. */
export async function migrateToLatest<Tables>(db: Kysely<Tables>, types: ColumnTypes): Promise<void> {
  const migrator = new Migrator({ db, provider: { getMigrations: async () => migrationsFor(types) } })
  const { error, results = [] } = await migrator.migrateToLatest()
  if (error === undefined) return
  const failed = results.find((result) => result.status === 'Error')?.migrationName
  throw new Error(
    failed === undefined
      ? "The store's schema is not one that this version knows: start the version that made it."
      : `The store can't be brought to this version: step ${failed} failed.`,
    { cause: error },
  )
}
