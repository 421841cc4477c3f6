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
 * Undoes what the journal says is held, newest first, each forgotten once it is gone. One that fails stops the rest:
 * what it rests on must stay. @throws TeardownIncomplete
 */
export async function tearDown(
  context: TeardownContext,
  keep: (resource: HeldResource) => boolean,
): Promise<void> {
  const { ports } = context
  for (const resource of context.record().held.toReversed()) {
    if (keep(resource)) continue
    try {
      await undoHeld(ports, context.record(), resource)
    } catch (thrown) {
      throw new TeardownIncomplete(
        `${resource.kind} ${resource.name} could not be undone: ${describeCauses(thrown)}`,
        {
          cause: thrown,
        },
      )
    }
    const held = context.record().held.filter((one) => one !== resource)
    await context.change({ held, ...forgottenWith(resource, context.record()) })
  }
}

/** The driver that a device had is asked anew the next time: an operator may have given it another meanwhile. */
function forgottenWith(
  { kind, name }: HeldResource,
  { formerDrivers }: InstanceRecord,
): Partial<InstanceRecord> {
  if (kind === 'guest') return { process: undefined }
  if (kind === 'device') return { formerDrivers: formerDrivers.filter(({ address }) => address !== name) }
  return {}
}

export const keepNothing = () => false
/** A stopped instance keeps its own disks, and a suspended guest finds them as it left them; volumes stay wherever they are. */
export const keepDisks = ({ kind }: HeldResource) => kind === 'disk' || kind === 'seed-disk'
