import { create, toBinary } from '@bufbuild/protobuf'
import {
  DesiredState,
  EnsureInstanceSchema,
  type InstanceSpec,
  InstanceSpecSchema,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { instanceUid } from '../../../proto/ids.ts'
import type { Holding, InstanceDetails, InstanceRecord } from '../../model/instance.ts'
import { ipv6Of } from '../../model/ipv6.ts'
import { computeAmounts, storageAmounts } from '../../model/quota.ts'
import type { CommitPlacement, CommitPlacementOutcome, CommitPlacementsOutcome } from '../store.ts'
import { formatIpv4, pickAddress } from './addresses.ts'
import { writeAttributes } from './attributes.ts'
import { nextChange } from './changes.ts'
import { claimCapacity } from './claims.ts'
import { claimDevices } from './device-claims.ts'
import { takeDisk } from './disk-use.ts'
import { appendEvent } from './events.ts'
import { withFirewalls } from './firewalls.ts'
import { findByIdempotencyKey, rememberKey } from './idempotency.ts'
import { startOperation } from './operations.ts'
import { queueEnsureInstance } from './outbox.ts'
import { takeQuota } from './quotas.ts'
import { Refused } from './refused.ts'
import { instanceFromRow, type Tx } from './rows.ts'
import { enterSlot } from './slots.ts'
import { writeUses } from './uses.ts'

/** Instance, claims, addresses, command, event and key: the caller's savepoint makes it all or nothing. @throws Refused */
export async function commitPlacement(tx: Tx, input: CommitPlacement): Promise<CommitPlacementOutcome> {
  if (input.idempotency) {
    const known = await findByIdempotencyKey(tx, input.idempotency)
    if (known.kind !== 'unused') return known
  }
  const namesake = await tx
    .selectFrom('instances')
    .select('uid')
    .where('project', '=', input.project)
    .where('id', '=', input.id)
    .executeTakeFirst()
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
  const row = await tx
    .insertInto('instances')
    .values({
      uid: input.uid,
      project: input.project,
      id: input.id,
      host_id: input.hostId,
      details: JSON.stringify(details),
      spec: toBinary(InstanceSpecSchema, spec),
      demand: JSON.stringify(input.demand),
      explanation: JSON.stringify(input.explanation),
      status: 'PROVISIONING',
      status_message: input.statusMessage,
      reason: 'PLACED',
      status_since_ms: input.nowMs,
      desired_state: DesiredState.RUNNING,
      generation: 1,
      start_generation: 1,
      reset_generation: 0,
      holds: 'everything' satisfies Holding,
      operation_id: input.operationId,
      change: await nextChange(tx),
      revision: 1,
      created_at_ms: input.nowMs,
      updated_at_ms: input.nowMs,
    })
    .returningAll()
    .executeTakeFirstOrThrow()
  await writeAttributes(tx, input.uid, details)
  if (!(await writeUses(tx, input.uid, input.uses))) throw new Refused({ kind: 'resource-gone' })
  const lostLater =
    slotUid === undefined ? await claimDevices(tx, input) : await enterSlot(tx, { ...input, slotUid })
  if (lostLater) throw new Refused(lostLater)
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
  await queueEnsureInstance(tx, {
    ...input,
    generation: 1,
    ensure: create(EnsureInstanceSchema, {
      desiredState: DesiredState.RUNNING,
      spec,
      stopDeadlineMs: input.stopDeadlineMs,
      startGeneration: 1,
    }),
  })
  const instance = instanceFromRow(row)
  await startOperation(tx, { ...input, verb: 'create', instance })
  if (input.idempotency) await rememberKey(tx, input.idempotency, input)
  return { kind: 'committed', instance }
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
async function takeDisks(tx: Tx, { uid, hostId, demand, spec, nowMs }: CommitPlacement): Promise<void> {
  for (const { volumeUid } of spec.disks) {
    if (volumeUid === '') continue
    const refused = await takeDisk(tx, volumeUid, { uid, hostId, zone: demand.zone, nowMs })
    if (refused?.kind === 'disk-refused' && refused.reason === 'DISK_ON_OTHER_HOST') {
      throw new Refused({ kind: 'claim-lost', what: 'host', message: refused.message })
    }
    if (refused) throw new Refused(refused)
  }
}

async function pickAddresses(tx: Tx, input: CommitPlacement): Promise<readonly number[]> {
  const picked: number[] = []
  for (const [nic, claim] of input.addresses.entries()) {
    // What an earlier NIC of this request was given in the same network isn't claimed yet.
    const siblings = picked.filter((_, index) => input.addresses[index]?.networkUid === claim.networkUid)
    const reservedIpv4 = [...claim.reservedIpv4, ...siblings.map(formatIpv4), ...askedBeside(input, nic)]
    const outcome = await pickAddress(tx, { ...claim, reservedIpv4 }, 'nic')
    if (outcome.kind === 'taken') throw new Refused({ kind: 'address-taken', nic, address: outcome.address })
    if (outcome.kind === 'exhausted') throw new Refused({ kind: 'addresses-exhausted', nic })
    picked.push(outcome.ipv4)
  }
  return picked
}

/** What later NICs ask for by name is not for one that takes any. */
function askedBeside({ addresses }: CommitPlacement, nic: number): readonly string[] {
  const own = addresses[nic]
  if (own === undefined || own.requestedIpv4 !== undefined) return []
  return addresses
    .filter(({ networkUid }) => networkUid === own.networkUid)
    .flatMap(({ requestedIpv4 }) => requestedIpv4 ?? [])
}

async function claimAddresses(tx: Tx, input: CommitPlacement, addresses: readonly number[]): Promise<void> {
  const rows = input.addresses.map((claim, nic) => ({
    network_uid: claim.networkUid,
    ipv4: addresses[nic] ?? 0,
    mac_address: claim.macAddress,
    instance_uid: input.uid,
  }))
  const namesake = await tx
    .selectFrom('address_claims')
    .select('mac_address')
    .where(
      'mac_address',
      'in',
      rows.map((row) => row.mac_address),
    )
    .executeTakeFirst()
  if (namesake) throw new Refused({ kind: 'mac-taken' })
  for (const [nic, row] of rows.entries()) {
    const { mac_address, instance_uid } = row
    const claimed = await tx
      .insertInto('address_claims')
      .values({ ...row, reservation_uid: null })
      // One that was reserved, and that nobody has.
      .onConflict((conflict) =>
        conflict
          .columns(['network_uid', 'ipv4'])
          .doUpdateSet({ mac_address, instance_uid })
          .where('address_claims.instance_uid', 'is', null),
      )
      .executeTakeFirst()
    if (claimed.numInsertedOrUpdatedRows !== 1n) {
      throw new Refused({ kind: 'address-taken', nic, address: formatIpv4(row.ipv4) })
    }
  }
}

interface NicAddresses {
  readonly ipv4Address: string
  readonly ipv6Address?: string
}

const nicAddresses = (spec: InstanceSpec, addresses: readonly number[]): readonly NicAddresses[] =>
  addresses.map((address, index) => {
    const ipv4Address = formatIpv4(address)
    const ipv6Cidr = spec.nics[index]?.network?.ipv6Cidr ?? ''
    return { ipv4Address, ...(ipv6Cidr === '' ? {} : { ipv6Address: ipv6Of(ipv6Cidr, ipv4Address) }) }
  })

function withAddresses(details: InstanceDetails, addresses: readonly NicAddresses[]): InstanceDetails {
  return { ...details, nics: details.nics.map((nic, index) => ({ ...nic, ...addresses[index] })) }
}

function specWithAddresses(spec: InstanceSpec, addresses: readonly NicAddresses[]): InstanceSpec {
  return { ...spec, nics: spec.nics.map((nic, index) => ({ ...nic, ...addresses[index] })) }
}
