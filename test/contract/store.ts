// What every implementation of the store must do, run over each with a fresh and empty one for each test.
import { describeCellContract } from './store-cells.ts'
import { describeCommitContract } from './store-commits.ts'
import { describeDeviceContract } from './store-devices.ts'
import { describeDiskContract } from './store-disks.ts'
import { describeFilterContract } from './store-filters.ts'
import { describeHostContract } from './store-hosts.ts'
import { describeInstanceContract } from './store-instances.ts'
import { describeModelContract } from './store-model.ts'
import type { OpenStore } from './store-opening.ts'
import { describePlaceContract } from './store-places.ts'
import { describeResourceContract } from './store-resources.ts'
import { describeSchedulingContract } from './store-scheduling.ts'
import { describeWaitingContract } from './store-waiting.ts'

export function describeStoreContract(name: string, open: OpenStore): void {
  describeHostContract(name, open)
  describeCommitContract(name, open)
  describeCellContract(name, open)
  describeInstanceContract(name, open)
  describeDiskContract(name, open)
  describeDeviceContract(name, open)
  describeModelContract(name, open)
  describeFilterContract(name, open)
  describeResourceContract(name, open)
  describePlaceContract(name, open)
  describeSchedulingContract(name, open)
  describeWaitingContract(name, open)
}
