import { silentLogger } from '../../../lib/log.ts'
import { openSqliteStore } from '../../../scheduler/store/sqlite/sqlite-store.ts'
import { describeStoreContract } from '../../contract/store.ts'

describeStoreContract('sqlite', () => openSqliteStore({ path: ':memory:', log: silentLogger }))
