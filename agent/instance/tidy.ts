import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { keepDisks, keepNothing, type TeardownContext, tearDown } from './teardown.ts'

/** It does not run, and something of its running is still on the host. */
export function hasLeftovers(record: InstanceRecord): boolean {
  switch (record.phase) {
    case InstancePhase.FAILED:
      return !record.released
    case InstancePhase.STOPPED:
    case InstancePhase.CRASHED:
      return record.held.some((resource) => !keepDisks(resource))
    default:
      return false
  }
}

/** After a failed creation nothing stays, which is the proof that frees its claims; a guest that ended keeps its disks. */
export async function tidy(context: TeardownContext): Promise<void> {
  if (context.record().phase !== InstancePhase.FAILED) {
    await tearDown(context, keepDisks)
    return
  }
  await tearDown(context, keepNothing)
  await context.ports.journal.removeFiles(context.record().uid)
  await context.change({ released: true })
}
