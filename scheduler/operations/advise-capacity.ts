// What would have to move so that a request of a size finds room. Nothing is moved, held or told.
import { type HostId, pciAddress } from '../../proto/ids.ts'
import { refuse } from '../errors.ts'
import type { InstanceRecord } from '../model/instance.ts'
import { type Advice, type Move, searchAdvice, type Wanted } from '../placement/advisor/index.ts'
import { indexOf } from '../placement/index.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'

export type { Wanted }

type Moves = Extract<Advice, { kind: 'moves' }>
type MovedInstance = Move & Pick<InstanceRecord, 'project' | 'id'>
export type CapacityAdvice =
  | Exclude<Advice, Moves>
  | (Omit<Moves, 'moves'> & { readonly moves: readonly MovedInstance[] })

export async function adviseCapacity(
  wanted: Wanted,
  { store, fleet, catalogue }: Pick<OperationPorts, 'store' | 'fleet' | 'catalogue'>,
): Promise<Outcome<CapacityAdvice>> {
  const zone = catalogue.zones.find(({ id }) => id === wanted.zone)
  if (zone === undefined) {
    const known = catalogue.zones.map(({ id }) => id)
    return refuse('REFERENCE_NOT_FOUND', { what: 'Zone', id: wanted.zone, known }, 'zone')
  }
  const types = zone.acceleratorTypes.map(({ id }) => id)
  if (!types.includes(wanted.type)) {
    const missing = { what: 'Accelerator type', id: wanted.type, known: types }
    return refuse('REFERENCE_NOT_FOUND', missing, 'gpuType')
  }
  const instances = new Map<string, InstanceRecord>()
  const residentsOn = async (hostId: HostId) => {
    const movable = (await store.listInstancesOnHost(hostId)).filter(canBeMovedAway)
    for (const instance of movable) instances.set(instance.uid, instance)
    return movable.map(({ uid, project, demand, spec }) => ({
      ...{ uid, demand: { ...demand, project } },
      devices: spec.gpus.map(({ address }) => pciAddress(address)),
    }))
  }
  const search = searchAdvice(wanted, indexOf(fleet.snapshot()))
  let step = search.next()
  while (step.done !== true) step = search.next(await residentsOn(step.value))
  const advice = step.value
  if (advice.kind !== 'moves') return done(advice)
  const named = advice.moves.flatMap((move) => {
    const instance = instances.get(move.uid)
    return instance === undefined ? [] : [{ ...move, project: instance.project, id: instance.id }]
  })
  return done({ ...advice, moves: named })
}

/** One that is at rest, or on its way, has its place to keep; so have those that a reservation or a disk binds to it. */
const canBeMovedAway = ({ status, holds, demand, spec }: InstanceRecord): boolean =>
  status === 'RUNNING' &&
  holds === 'everything' &&
  demand.slotUid === undefined &&
  spec.disks.every(({ volumeUid }) => volumeUid === '')
