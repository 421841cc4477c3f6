import { pciAddress } from '../../proto/ids.ts'
import { type Refusal, refuseAll } from '../errors.ts'
import type { InstanceRecord } from '../model/instance.ts'
import { place } from '../placement/index.ts'
import type { ChangeInstance } from '../store/store.ts'
import type { ChangeRequest } from './change-instance.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'
import { refusePlacement } from './refuse-placement.ts'

/**
 * GPUs for a start on the host that has the disks; undefined where the start takes nothing that was given back, or there
 * is nothing to start: that is for the store to say.
 */
export async function findGpusForStart(
  { verb, project, idOrUid }: ChangeRequest,
  ports: Pick<OperationPorts, 'store' | 'fleet'>,
): Promise<Outcome<ChangeInstance['gpus']>> {
  if (verb !== 'start' && verb !== 'resume') return done(undefined)
  const instance = await ports.store.findInstance(project, idOrUid)
  const restsAs = verb === 'start' ? 'STOPPED' : 'SUSPENDED'
  if (instance?.status !== restsAs || instance.holds !== 'storage') return done(undefined)
  if (instance.demand.slotUid !== undefined) return done(ownGpus(instance))
  const hosts = await ports.fleet.snapshot()
  // A cordoned host takes no new instances, and its own back.
  const own = hosts
    .filter(({ hostId }) => hostId === instance.hostId)
    .map((host) => ({ ...host, state: 'ready' as const }))
  const verdict = place({ ...instance.demand, diskGb: 0 }, own, instance.uid)
  return verdict.kind === 'placed' ? done(verdict.devices) : refuseStart(instance, refusePlacement(verdict))
}

/** Its place in a reservation has kept them for it. */
const ownGpus = ({ spec }: InstanceRecord) =>
  spec.gpus.map(({ type, address }) => ({ type, address: pciAddress(address) }))

/** Its disks are where they are: what another host has does not help. */
function refuseStart({ id }: InstanceRecord, { problems }: Refusal): Refusal {
  const [first, ...others] = problems.map((found) => ({
    ...found,
    reason: 'POOL_CAPACITY_EXCEEDED' as const,
  }))
  const lacking = problems.map(({ message }) => message).join(' ')
  const message = `${id} can't be started now: the host that keeps its disks has no room for it. ${lacking} Try again later, or delete others that run there.`
  return first === undefined ? refuseAll(problems, message) : refuseAll([first, ...others], message)
}
