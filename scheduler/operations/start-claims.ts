import { pciAddress } from '../../proto/ids.ts'
import { type Refusal, refuse, refuseAll } from '../errors.ts'
import { describeTroubles } from '../model/device.ts'
import type { InstanceRecord } from '../model/instance.ts'
import type { Demand, HostSnapshot } from '../model/placement.ts'
import { wishOf } from '../placement/devices.ts'
import { place } from '../placement/index.ts'
import type { ChangeInstance } from '../store/store.ts'
import type { ChangeRequest } from './change-instance.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'
import { refusePlacement } from './refuse-placement.ts'

/** What a start is given on the host that has the disks. */
export type StartClaims = Pick<ChangeInstance, 'gpus' | 'cells'>

/**
 * GPUs and NUMA cells for a start; none where the start takes nothing that was given back, or there is nothing to start:
 * that is for the store to say.
 */
export async function findStartClaims(
  { verb, project, idOrUid }: ChangeRequest,
  ports: Pick<OperationPorts, 'store' | 'fleet'>,
): Promise<Outcome<StartClaims>> {
  if (verb !== 'start' && verb !== 'resume') return done({})
  const instance = await ports.store.findInstance(project, idOrUid)
  const restsAs = verb === 'start' ? 'STOPPED' : 'SUSPENDED'
  if (instance?.status !== restsAs || instance.holds !== 'storage') return done({})
  const hosts = ports.fleet.snapshot()
  if (instance.demand.slotUid !== undefined) return ownGpus(instance, hosts)
  // A host that is cordoned, or kept for somebody, takes no new instances, and its own back.
  const own = hosts
    .filter(({ hostId }) => hostId === instance.hostId)
    .map(({ keptFor: _, ...host }) => ({
      ...host,
      ...withoutItself(host, instance),
      state: 'ready' as const,
    }))
  const verdict = place(demandOfStart(instance), own, instance.uid)
  if (verdict.kind !== 'placed') return refuseStart(instance, refusePlacement(verdict))
  return done({ gpus: verdict.devices, ...cellsOf(verdict) })
}

const cellsOf = ({ cells }: Pick<Demand, 'cells'>) => (cells === undefined ? {} : { cells })

/** What was placed before devices were kept does not say whose it is. */
const demandOf = ({ demand, project }: InstanceRecord) => ({ ...demand, project })

/** Its disks are there, they say where it goes, and its groups have kept its place. */
function demandOfStart(instance: InstanceRecord): Demand {
  const {
    hostLabels: _labels,
    affinity: _affinity,
    antiAffinity: _antiAffinity,
    ...demand
  } = demandOf(instance)
  return { ...demand, diskGb: 0 }
}

const withoutItself = ({ occupants = [] }: HostSnapshot, { uid }: InstanceRecord) => ({
  occupants: occupants.filter((occupant) => occupant.uid !== uid),
})

/** Its place in a reservation has kept them for it; whether its last run has left them fit for the next is another matter. */
function ownGpus(instance: InstanceRecord, hosts: readonly HostSnapshot[]): Outcome<StartClaims> {
  const { id, spec, hostId } = instance
  const host = hosts.find((one) => one.hostId === hostId)
  const own = new Set(spec.gpus.map(({ address }) => address))
  const devices = host?.devices.filter(({ address }) => own.has(address)) ?? []
  const troubles = host === undefined ? '' : describeTroubles(devices, wishOf(demandOf(instance), host))
  if (troubles === '') {
    const gpus = spec.gpus.map(({ type, address }) => ({ type, address: pciAddress(address) }))
    return done({ gpus, ...cellsOf(instance.demand) })
  }
  const message = `${id} can't be started now: of the GPUs that its reservation keeps for it, ${troubles}. Try again later, or ask an operator.`
  return refuse('POOL_CAPACITY_EXCEEDED', { message }, 'gpus')
}

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
