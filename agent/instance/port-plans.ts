import type { InstanceRecord } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { PortPlan } from '../drivers/network/port.ts'
import { planInstance, type Step } from '../plan/plan-instance.ts'
import { ownerOf } from './step-context.ts'

/** A guest's connection as the network driver makes it. */
export function portPlanOf(record: InstanceRecord, step: Extract<Step, { kind: 'connect-port' }>): PortPlan {
  const { tap, macAddress, ipv4Address, ipv6Address, networkMbps, network } = step
  return {
    ...{ instanceUid: record.uid, tap, macAddress, ipv4Address, ipv6Address, networkMbps, network },
    hostname: record.spec?.hostname ?? '',
    queues: record.pinned?.nicQueues ?? 0,
    ownerUid: ownerOf(record).uid,
  }
}

/** All that it has, each with the name of its NIC. */
export function portPlansOf(record: InstanceRecord): readonly (PortPlan & { readonly nic: string })[] {
  if (record.spec === undefined) return []
  const { nics } = record.spec
  return planInstance(record.spec)
    .filter((step) => step.kind === 'connect-port')
    .map((step, index) => ({ ...portPlanOf(record, step), nic: nics[index]?.name ?? '' }))
}
