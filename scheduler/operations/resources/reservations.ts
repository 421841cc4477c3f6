// Reservations: room and devices that are kept on certain hosts for instances to come.
import { projectId, resourceUid, slotUid, zoneId } from '../../../proto/ids.ts'
import { resolveGpus } from '../../admission/gpus.ts'
import { resolveInstanceType, type TypeInZone, typeFeatures } from '../../admission/instance-type.ts'
import type { ReservedShape } from '../../admission/reservation.ts'
import { type LookupContext, problemsOf, resolved } from '../../admission/resolution.ts'
import type { CreateReservation } from '../../admission/resource-requests.ts'
import { type Refusal, refuse, refuseAll } from '../../errors.ts'
import type { Project } from '../../model/catalogue.ts'
import { inCells } from '../../model/numa-cells.ts'
import type { Demand, GpuWish } from '../../model/placement.ts'
import { type ReservationSlot, scopeOf } from '../../model/resource.ts'
import { indexOf } from '../../placement/index.ts'
import { done, type Outcome } from '../outcome.ts'
import type { OperationPorts } from '../ports.ts'
import { refusePlacement } from '../refuse-placement.ts'
import type { Planned } from './change-resource.ts'
import type { InProject } from './networking.ts'

type Ports = Pick<OperationPorts, 'catalogue' | 'clock' | 'random' | 'fleet'>
const defaultDiskGb = 10

export async function planReservation(
  { body, project: id, serverHost }: InProject & { body: CreateReservation },
  ports: Ports,
): Promise<Planned> {
  const { catalogue, random, clock } = ports
  const project = catalogue.projects.find((candidate) => candidate.id === id)
  if (project === undefined) return refuse('PROJECT_NOT_FOUND', { id })
  const found = resolveShape(body, { catalogue, project, serverHost })
  if (found.kind === 'refused') return found
  const { shape, demand } = found.value
  const slots = await placeSlots(demand, shape.count, ports)
  if (slots.kind === 'refused') return slots
  return done([
    {
      uid: resourceUid(random.uuid()),
      collection: 'reservations',
      scope: scopeOf.project(project.id),
      id: body.id ?? `reservation-${random.slug(6)}`,
      parentUid: project.meta.uid,
      body: { ...shape },
      taking: { kind: 'capacity', project: projectId(project.id), slots: slots.value },
      nowMs: clock.nowMs(),
    },
  ])
}

type ShapeContext = LookupContext & { readonly project: Project }

interface Wish {
  readonly shape: ReservedShape
  readonly demand: Demand
}

function resolveShape(body: CreateReservation, context: ShapeContext): Outcome<Wish> {
  const place = resolveInstanceType(body.type, context)
  const typeInZone = place.kind === 'resolved' ? place.value : undefined
  const asked = body.gpus === undefined ? [] : [body.gpus]
  const gpus = typeInZone === undefined ? resolved([]) : resolveGpus(asked, typeInZone, context)
  const problems = problemsOf([place, gpus]).map(withoutIndex)
  const [first, ...others] = problems
  if (first !== undefined) return refuseAll([first, ...others])
  if (typeInZone === undefined || gpus.kind === 'refused') throw new Error('A refusal has no problem in it.')
  return done(wishOf(body, typeInZone, gpus.value, context))
}

/** One kind of GPU at most: the field is no list here. */
const withoutIndex = <Found extends { readonly field?: string }>(found: Found): Found =>
  found.field === undefined ? found : { ...found, field: found.field.replace('gpus[0]', 'gpus') }

function wishOf(
  { description, diskGb = defaultDiskGb, count }: CreateReservation,
  { zone, type, path }: TypeInZone,
  gpus: readonly GpuWish[],
  { catalogue, project }: ShapeContext,
): Wish {
  const image = catalogue.images.find(({ id }) => id === type.defaultImage)
  const features = typeFeatures(type)
  return {
    shape: {
      ...(description === undefined ? {} : { description }),
      ...{ type: path, zone: zone.id, gpus, diskGb, count },
    },
    demand: {
      ...{ zone: zoneId(zone.id), vcpus: type.vcpus, memoryMib: type.memoryMib, diskGb, gpus },
      project: projectId(project.id),
      architecture: image?.architecture ?? 'x86_64',
      ...(features.length === 0 ? {} : { features }),
    },
  }
}

/** Each is placed around the ones before it. */
async function placeSlots(
  demand: Demand,
  count: number,
  { fleet, random }: Ports,
): Promise<Outcome<readonly ReservationSlot[]>> {
  const index = indexOf(fleet.snapshot())
  const slots: ReservationSlot[] = []
  while (slots.length < count) {
    const uid = slotUid(random.uuid())
    const verdict = index.place(demand, uid)
    if (verdict.kind !== 'placed') return refuseSlots(refusePlacement(verdict), slots.length, count)
    const { hostId } = verdict
    const own = inCells(demand, verdict.cells)
    const slot = { uid, hostId, demand: own, devices: verdict.devices.map(({ address }) => address) }
    index.claim(hostId, slot)
    slots.push(slot)
  }
  return done(slots)
}

function refuseSlots({ problems, message }: Refusal, fitting: number, count: number): Refusal {
  const sentence = `Nothing was reserved: there is room for ${fitting} of ${count} now.`
  return refuseAll(problems, fitting === 0 ? message : `${sentence} ${message}`)
}
