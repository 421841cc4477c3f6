import { create } from '@bufbuild/protobuf'
import {
  DesiredState,
  EnsureInstanceSchema,
  type InstanceSpec,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { instanceUid } from '../../../proto/ids.ts'
import type { InstanceDetails, InstanceRecord } from '../../model/instance.ts'
import { ipv6Of } from '../../model/ipv6.ts'
import { computeAmounts, storageAmounts } from '../../model/quota.ts'
import type { CommitPlacement, CommitPlacementOutcome, CommitPlacementsOutcome } from '../store.ts'
import type { AddressClaimRow } from '../tables.ts'
import { formatIpv4, pickAddress } from './addresses.ts'
import { writeAttributes } from './attributes.ts'
import { appendAudit } from './audit.ts'
import { nextChange } from './changes.ts'
import { claimCapacity } from './claims.ts'
import { claimDevices } from './device-claims.ts'
import { takeDisk } from './disk-use.ts'
import { appendEvent } from './events.ts'
import { withFirewalls } from './firewalls.ts'
import { findByIdempotencyKey, rememberKey } from './idempotency.ts'
import { joinOccupants } from './occupants.ts'
import { startOperation } from './operations.ts'
import { queueEnsureInstance } from './outbox.ts'
import { prepare, prepareInsert } from './prepared.ts'
import { takeQuota } from './quotas.ts'
import { Refused } from './refused.ts'
import { rowOfInstance, type Tx } from './rows.ts'
import { enterSlot } from './slots.ts'
import { writeUses } from './uses.ts'

export const findNamesake = prepare((tx: Tx, { project, id }: { project: string; id: string }) =>
  tx.selectFrom('instances').select('uid').where('project', '=', project).where('id', '=', id),
)

export const insertInstance = prepareInsert('instances', [
  ...(['uid', 'project', 'id', 'host_id', 'details', 'spec', 'demand', 'explanation'] as const),
  ...(['status', 'status_message', 'reason', 'status_since_ms', 'desired_state', 'generation'] as const),
  ...(['start_generation', 'reset_generation', 'holds', 'operation_id', 'change', 'revision'] as const),
  ...(['created_at_ms', 'updated_at_ms'] as const),
])

/** Instance, claims, addresses, command, event and key: the caller's savepoint makes it all or nothing. @throws Refused */
export async function commitPlacement(tx: Tx, input: CommitPlacement): Promise<CommitPlacementOutcome> {
  if (input.idempotency) {
    const known = await findByIdempotencyKey(tx, input.idempotency)
    if (known.kind !== 'unused') return known
  }
  const namesake = await findNamesake.first(tx, input)
  if (namesake) return { kind: 'name-taken', uid: instanceUid(namesake.uid) }

  await takeQuota(tx, input.project, {
    instances: 1,
    ...computeAmounts(input.demand),
    ...storageAmounts(input.demand, input.addresses.length),
  })
  const { slotUid } = input.demand
  const lost = slotUid === undefined ? await claimCapacity(tx, input) : undefined
  if (lost) throw new Refused(lost)
  await takeDisks(tx, input)
  const addresses = await pickAddresses(tx, input)
  const nics = nicAddresses(input.spec, addresses)
  const details = withAddresses(input.details, nics)
  const spec = await withFirewalls(tx, specWithAddresses(input.spec, nics))
  const instance: InstanceRecord = {
    ...{ uid: input.uid, project: input.project, id: input.id, hostId: input.hostId },
    ...{ details, spec, demand: input.demand, explanation: input.explanation },
    ...{ status: 'PROVISIONING', statusMessage: input.statusMessage, reason: 'PLACED' },
    ...{ desiredState: DesiredState.RUNNING, generation: 1, startGeneration: 1, resetGeneration: 0 },
    ...{ holds: 'everything', operationId: input.operationId, revision: 1 },
    ...{ statusSinceMs: input.nowMs, createdAtMs: input.nowMs, updatedAtMs: input.nowMs },
  }
  await insertInstance.run(tx, { ...rowOfInstance(instance), change: await nextChange(tx) })
  await writeAttributes(tx, input.uid, details)
  if (!(await writeUses(tx, input.uid, input.uses))) throw new Refused({ kind: 'resource-gone' })
  const lostLater =
    slotUid === undefined ? await claimDevices(tx, input) : await enterSlot(tx, { ...input, slotUid })
  if (lostLater) throw new Refused(lostLater)
  const crowded = await joinOccupants(tx, input)
  if (crowded) throw new Refused(crowded)
  await claimAddresses(tx, input, addresses)
  await appendEvent(tx, {
    instanceUid: input.uid,
    from: null,
    to: 'PROVISIONING',
    reason: 'PLACED',
    message: input.statusMessage,
    atMs: input.nowMs,
    requestId: input.requestId,
  })
  const command = await queueEnsureInstance(tx, {
    ...input,
    generation: 1,
    ensure: create(EnsureInstanceSchema, {
      desiredState: DesiredState.RUNNING,
      spec,
      stopDeadlineMs: input.stopDeadlineMs,
      startGeneration: 1,
    }),
  })
  await startOperation(tx, { ...input, verb: 'create', instance })
  if (input.idempotency) await rememberKey(tx, input.idempotency, input)
  if (input.audit) await appendAudit(tx, input.audit)
  return { kind: 'committed', instance, command }
}

/** All of them or none. @throws Refused */
export async function commitPlacements(
  tx: Tx,
  inputs: readonly CommitPlacement[],
): Promise<CommitPlacementsOutcome> {
  const instances: InstanceRecord[] = []
  for (const [index, input] of inputs.entries()) {
    const outcome = await commitPlacement(tx, input).catch(outcomeOfRefused)
    if (outcome.kind !== 'committed') throw new Refused({ kind: 'not-committed', index, outcome })
    instances.push(outcome.instance)
  }
  return { kind: 'committed', instances }
}

function outcomeOfRefused(thrown: unknown): CommitPlacementOutcome {
  if (thrown instanceof Refused) return thrown.outcome as CommitPlacementOutcome
  throw thrown
}

/** One that went elsewhere meanwhile was seen too early: placed again, the instance goes there too. */
export async function takeDisks(
  tx: Tx,
  { uid, hostId, demand, spec, nowMs }: Pick<CommitPlacement, 'uid' | 'hostId' | 'demand' | 'spec' | 'nowMs'>,
): Promise<void> {
  for (const { volumeUid } of spec.disks) {
    if (volumeUid === '') continue
    const refused = await takeDisk(tx, volumeUid, { uid, hostId, zone: demand.zone, nowMs })
    if (refused?.kind === 'disk-refused' && refused.reason === 'DISK_ON_OTHER_HOST') {
      throw new Refused({ kind: 'claim-lost', what: 'host', message: refused.message })
    }
    if (refused) throw new Refused(refused)
  }
}

type Addressed = Pick<CommitPlacement, 'uid' | 'addresses'>

export async function pickAddresses(tx: Tx, input: Addressed): Promise<readonly number[]> {
  const picked: number[] = []
  for (const [nic, claim] of input.addresses.entries()) {
    // What an earlier NIC of this request was given in the same network isn't claimed yet.
    const siblings = picked.filter((_, index) => input.addresses[index]?.networkUid === claim.networkUid)
    const besides = [...siblings.map(formatIpv4), ...askedBeside(input, nic)]
    const outcome = await pickAddress(tx, { ...claim, besides }, 'nic')
    if (outcome.kind === 'taken') throw new Refused({ kind: 'address-taken', nic, address: outcome.address })
    if (outcome.kind === 'exhausted') throw new Refused({ kind: 'addresses-exhausted', nic })
    picked.push(outcome.ipv4)
  }
  return picked
}

/** What later NICs ask for by name is not for one that takes any. */
function askedBeside({ addresses }: Addressed, nic: number): readonly string[] {
  const own = addresses[nic]
  if (own === undefined || own.requestedIpv4 !== undefined) return []
  return addresses
    .filter(({ networkUid }) => networkUid === own.networkUid)
    .flatMap(({ requestedIpv4 }) => requestedIpv4 ?? [])
}

type ClaimedAddress = Omit<AddressClaimRow, 'reservation_uid' | 'mac_address'> & { mac_address: string }

const findMac = prepare((tx: Tx, { mac_address }: Pick<ClaimedAddress, 'mac_address'>) =>
  tx.selectFrom('address_claims').select('mac_address').where('mac_address', '=', mac_address),
)

const insertAddress = prepare((tx: Tx, { network_uid, ipv4, mac_address, instance_uid }: ClaimedAddress) =>
  tx
    .insertInto('address_claims')
    .values({ network_uid, ipv4, mac_address, instance_uid })
    // One that was reserved, and that nobody has.
    .onConflict((conflict) =>
      conflict
        .columns(['network_uid', 'ipv4'])
        .doUpdateSet({ mac_address, instance_uid })
        .where('address_claims.instance_uid', 'is', null),
    ),
)

export async function claimAddresses(tx: Tx, input: Addressed, addresses: readonly number[]): Promise<void> {
  const rows = input.addresses.map((claim, nic) => ({
    network_uid: claim.networkUid,
    ipv4: addresses[nic] ?? 0,
    mac_address: claim.macAddress,
    instance_uid: input.uid,
  }))
  for (const [nic, row] of rows.entries()) {
    if (await findMac.first(tx, row)) throw new Refused({ kind: 'mac-taken' })
    if ((await insertAddress.run(tx, row)) !== 1) {
      throw new Refused({ kind: 'address-taken', nic, address: formatIpv4(row.ipv4) })
    }
  }
}

interface NicAddresses {
  readonly ipv4Address: string
  readonly ipv6Address?: string
}

export const nicAddresses = (spec: InstanceSpec, addresses: readonly number[]): readonly NicAddresses[] =>
  addresses.map((address, index) => {
    const ipv4Address = formatIpv4(address)
    const ipv6Cidr = spec.nics[index]?.network?.ipv6Cidr ?? ''
    return { ipv4Address, ...(ipv6Cidr === '' ? {} : { ipv6Address: ipv6Of(ipv6Cidr, ipv4Address) }) }
  })

export function withAddresses(details: InstanceDetails, addresses: readonly NicAddresses[]): InstanceDetails {
  return { ...details, nics: details.nics.map((nic, index) => ({ ...nic, ...addresses[index] })) }
}

export function specWithAddresses(spec: InstanceSpec, addresses: readonly NicAddresses[]): InstanceSpec {
  return { ...spec, nics: spec.nics.map((nic, index) => ({ ...nic, ...addresses[index] })) }
}
