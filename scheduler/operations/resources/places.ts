// Zones, and the accelerator types in them. What both make of hosts that are there already, the store works out.
import { resourceUid } from '../../../proto/ids.ts'
import type { CreateAcceleratorType, CreateZone } from '../../admission/resource-requests.ts'
import type { Zone } from '../../model/catalogue.ts'
import { scopeOf } from '../../model/resource.ts'
import { done } from '../outcome.ts'
import type { OperationPorts } from '../ports.ts'
import type { Planned } from './change-resource.ts'

type Ports = Pick<OperationPorts, 'clock' | 'random'>
const defaultMaximumPerInstance = 8

export function planZone({ id, ...body }: CreateZone, { random, clock }: Ports): Planned {
  return done([
    {
      uid: resourceUid(random.uuid()),
      ...{ collection: 'zones', scope: scopeOf.region, id, nowMs: clock.nowMs() },
      body: { ...body, cpuOvercommit: body.cpuOvercommit ?? 1 },
    },
  ])
}

export function planAcceleratorType(
  { body: { id, ...body }, zone }: { body: CreateAcceleratorType; zone: Zone },
  { random, clock }: Ports,
): Planned {
  return done([
    {
      uid: resourceUid(random.uuid()),
      ...{ collection: 'accelerator-types', scope: scopeOf.zone(zone.id), id, nowMs: clock.nowMs() },
      body: { ...body, maximumPerInstance: body.maximumPerInstance ?? defaultMaximumPerInstance },
    },
  ])
}
