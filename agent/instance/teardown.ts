import { describeCauses } from '../../lib/log.ts'
import type { HeldResource, InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { undoHeld } from './held.ts'
import type { InstancePorts } from './ports.ts'

export interface TeardownContext {
  readonly ports: InstancePorts
  record(): InstanceRecord
  change(change: Partial<InstanceRecord>): Promise<void>
}

export interface StopContext extends TeardownContext {
  readonly signal: AbortSignal
}

/** Not everything could be undone; what is left is still in the journal and is tried again. */
export class TeardownIncomplete extends Error {
  override readonly name = 'TeardownIncomplete'
}

/**
 * Ports may go under a guest that is ended anyway; the rest once it has ended, and GPUs once nothing joins them any more; a
 * network once nothing is in it.
 */
const roundOf = ({ kind }: HeldResource): number => {
  if (kind === 'guest' || kind === 'port') return 0
  if (kind === 'partition') return 1
  return kind === 'network' ? 3 : 2
}

/**
 * Undoes what the journal says is held, in rounds, and forgets what is gone in one write. One that fails stops what comes
 * after its round: what it rests on must stay. @throws TeardownIncomplete
 */
export async function tearDown(
  context: TeardownContext,
  keep: (resource: HeldResource) => boolean,
): Promise<void> {
  const gone: HeldResource[] = []
  const failures: TeardownIncomplete[] = []
  const undo = async (resource: HeldResource) => {
    try {
      await undoHeld(context.ports, context.record(), resource)
      gone.push(resource)
    } catch (cause) {
      const what = `${resource.kind} ${resource.name}`
      failures.push(
        new TeardownIncomplete(`${what} could not be undone: ${describeCauses(cause)}`, { cause }),
      )
    }
  }
  for (const round of [0, 1, 2, 3]) {
    if (failures.length > 0) break
    await Promise.all(
      context
        .record()
        .held.filter((resource) => roundOf(resource) === round && !keep(resource))
        .map(undo),
    )
  }
  // To undo something twice does no harm: an agent that ends before this does it all again.
  if (gone.length > 0) await context.change(forgottenWith(gone, context.record()))
  const [failure] = failures
  if (failure) throw failure
}

function forgottenWith(gone: readonly HeldResource[], { held }: InstanceRecord): Partial<InstanceRecord> {
  const isGone = (kind: string, name: string) => gone.some((one) => one.kind === kind && one.name === name)
  return {
    held: held.filter(({ kind, name }) => !isGone(kind, name)),
    ...(gone.some(({ kind }) => kind === 'guest') ? { process: undefined, hostShare: undefined } : {}),
  }
}

export const keepNothing = () => false
/** A stopped instance keeps its own disks, and a suspended guest finds them as it left them; volumes stay wherever they are. */
export const keepDisks = ({ kind }: HeldResource) => kind === 'disk' || kind === 'seed-disk'
