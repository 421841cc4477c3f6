import { describeStoreContract } from '../../contract/store.ts'
import { openInProcessStore } from './in-process.ts'

describeStoreContract('sqlite', openInProcessStore)
