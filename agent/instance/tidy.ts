import { InstancePhase } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { dropMemory } from './suspend.ts'
import { keepDisks, keepNothing, type TeardownContext, tearDown } from './teardown.ts'

/** After a failed creation nothing stays; a guest that ended keeps its disks. Either way the rest is free, with proof. */
export async function tidy(context: TeardownContext): Promise<void> {
  const { phase } = context.record()
  const hasFailed = phase === InstancePhase.FAILED
  await tearDown(context, hasFailed ? keepNothing : keepDisks)
  if (hasFailed) await context.ports.journal.removeFiles(context.record().uid)
  if (!hasFailed && phase !== InstancePhase.SUSPENDED) await dropMemory(context)
  await context.change({ released: true })
}
