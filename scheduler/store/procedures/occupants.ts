// Who is on a host, as far as it matters to others: those that asked for company, for distance, for a host of their own, or
// said how long they stay. Of all others nothing is written here.
import { nameOfGroup } from '../../model/group.ts'
import { isMember, matchesLabel, occupantOf, takesWhole } from '../../model/neighbours.ts'
import type { Demand, Occupant } from '../../model/placement.ts'
import type { ClaimLost } from '../store.ts'
import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'

interface Joining {
  readonly uid: string
  readonly hostId: string
  readonly demand: Demand
  readonly nowMs: number
}

const lost = (what: ClaimLost['what'], message: string): ClaimLost => ({ kind: 'claim-lost', what, message })

/** Takes its place among those on the host, whose room it has claimed; undefined when they and it agree. */
export async function joinOccupants(tx: Tx, joining: Joining): Promise<ClaimLost | undefined> {
  const { hostId, demand } = joining
  const occupants = await listOccupants(tx, hostId)
  const crowded = isCrowded(occupants, demand) ?? (await findMissing(tx, joining, occupants))
  if (crowded !== undefined) return crowded
  const alone = demand.isolation === 'host' ? await findOthers(tx, joining, occupants) : undefined
  if (alone === undefined && isHinted(demand)) await writeOccupant(tx, joining)
  return alone
}

/** Its disks say where it goes and its groups have kept its place: what is asked is whether somebody has the host whole. */
export async function rejoinOccupants(tx: Tx, joining: Joining): Promise<ClaimLost | undefined> {
  const all = await listOccupants(tx, joining.hostId)
  const others = all.filter(({ uid }) => uid !== joining.uid)
  if (others.some(takesWhole)) return lost('isolation', 'an instance has the host for itself')
  const { demand } = joining
  const alone = demand.isolation === 'host' ? await findOthers(tx, joining, others) : undefined
  if (alone !== undefined || !isHinted(demand)) return alone
  await forgetOccupant(tx, joining)
  await writeOccupant(tx, joining)
  return undefined
}

/** A stopped one keeps its place in its groups, and nothing else. */
export async function restOccupant(tx: Tx, { uid, demand }: Pick<Joining, 'uid' | 'demand'>): Promise<void> {
  if (demand.groups === undefined) await forgetOccupant(tx, { uid, demand })
  else await giveHostBack.run(tx, { uid })
}

export async function forgetOccupant(
  tx: Tx,
  { uid, demand }: Pick<Joining, 'uid' | 'demand'>,
): Promise<void> {
  if (!isHinted(demand)) return
  await deleteMemberships.run(tx, { uid })
  await deleteOccupant.run(tx, { uid })
}

/** What an operator has written on the host since it was chosen. */
export function checkLabels({ hostLabels }: Demand, labels: string): ClaimLost | undefined {
  if (hostLabels === undefined) return undefined
  const written = JSON.parse(labels) as Record<string, string>
  return hostLabels.every((selector) => matchesLabel(written, selector))
    ? undefined
    : lost('labels', 'the labels of the host are others now')
}

function isCrowded(occupants: readonly Occupant[], { antiAffinity = [] }: Demand) {
  if (occupants.some(takesWhole)) return lost('isolation', 'an instance has the host for itself')
  const avoided = antiAffinity.find((group) => occupants.some((one) => isMember(one, group)))
  return avoided === undefined
    ? undefined
    : lost('anti-affinity', `an instance of ${nameOfGroup(avoided)} is on the host already`)
}

/** The first member of a group of its own has nobody to be beside. */
async function findMissing(
  tx: Tx,
  { demand: { affinity = [], groups = [] } }: Joining,
  occupants: readonly Occupant[],
): Promise<ClaimLost | undefined> {
  for (const group of affinity) {
    if (occupants.some((one) => isMember(one, group))) continue
    if (groups.includes(group) && (await findMember.first(tx, { group })) === undefined) continue
    return lost('affinity', `the instances of ${nameOfGroup(group)} are on other hosts`)
  }
  return undefined
}

/** Of what is claimed there, its own is a part already. */
async function findOthers(
  tx: Tx,
  { hostId, demand }: Joining,
  others: readonly Occupant[],
): Promise<ClaimLost | undefined> {
  const host = await findUse.first(tx, { hostId })
  const isAlone = host?.vcpus_used === demand.vcpus && host.memory_mib_used === demand.memoryMib
  return isAlone && others.length === 0 ? undefined : lost('isolation', 'others are on the host')
}

const isHinted = ({ groups, isolation, expectedLifetimeS }: Demand) =>
  groups !== undefined || isolation === 'host' || expectedLifetimeS !== undefined

async function writeOccupant(tx: Tx, { uid, hostId, demand, nowMs }: Joining): Promise<void> {
  const { isolation, expectedEndMs, groups = [] } = occupantOf(uid, demand, nowMs)
  await tx
    .insertInto('occupants')
    .values({
      ...{ instance_uid: uid, host_id: hostId, isolation: isolation ?? null },
      expected_end_ms: expectedEndMs ?? null,
    })
    .execute()
  for (const group of groups) {
    await tx.insertInto('group_members').values({ instance_uid: uid, group_name: group }).execute()
  }
}

/** Most hosts have none, and to find that out takes a fraction of looking for their groups. */
async function listOccupants(tx: Tx, hostId: string): Promise<readonly Occupant[]> {
  if ((await anyOccupantOn.first(tx, { hostId })) === undefined) return []
  return occupantsFromRows(await occupantsOn.all(tx, { hostId }))
}

const anyOccupantOn = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx.selectFrom('occupants').select('instance_uid').where('host_id', '=', hostId),
)

/** By host, of those that have changed. */
export async function occupantsAfter(
  tx: Tx,
  revision: number,
): Promise<ReadonlyMap<string, readonly Occupant[]>> {
  const byHost = Map.groupBy(await occupantRowsAfter.all(tx, { revision }), ({ host_id }) => host_id)
  return new Map(Array.from(byHost, ([hostId, rows]) => [hostId, occupantsFromRows(rows)]))
}

interface OccupantWithGroup {
  readonly instance_uid: string
  readonly isolation: string | null
  readonly expected_end_ms: number | null
  readonly group_name: string | null
}

function occupantsFromRows(rows: readonly OccupantWithGroup[]): readonly Occupant[] {
  if (rows.length === 0) return []
  return Array.from(
    Map.groupBy(rows, ({ instance_uid }) => instance_uid),
    ([uid, [row, ...others]]) => {
      const groups = [row, ...others].flatMap((one) => one?.group_name ?? [])
      return {
        uid,
        ...(groups.length === 0 ? {} : { groups }),
        ...(row?.isolation === 'host' ? { isolation: 'host' as const } : {}),
        ...(row?.expected_end_ms == null ? {} : { expectedEndMs: row.expected_end_ms }),
      }
    },
  )
}

const occupantsOn = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx
    .selectFrom('occupants')
    .leftJoin('group_members', 'group_members.instance_uid', 'occupants.instance_uid')
    .select(['occupants.instance_uid', 'isolation', 'expected_end_ms', 'group_name'])
    .where('occupants.host_id', '=', hostId),
)

const occupantRowsAfter = prepare((tx: Tx, { revision }: { revision: number }) =>
  tx
    .selectFrom('hosts')
    .innerJoin('occupants', 'occupants.host_id', 'hosts.host_id')
    .leftJoin('group_members', 'group_members.instance_uid', 'occupants.instance_uid')
    .select(['occupants.host_id', 'occupants.instance_uid', 'isolation', 'expected_end_ms', 'group_name'])
    .where('hosts.revision', '>', revision),
)

const findMember = prepare((tx: Tx, { group }: { group: string }) =>
  tx.selectFrom('group_members').select('instance_uid').where('group_name', '=', group),
)

const findUse = prepare((tx: Tx, { hostId }: { hostId: string }) =>
  tx.selectFrom('hosts').select(['vcpus_used', 'memory_mib_used']).where('host_id', '=', hostId),
)

const giveHostBack = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.updateTable('occupants').set({ isolation: null, expected_end_ms: null }).where('instance_uid', '=', uid),
)

const deleteMemberships = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.deleteFrom('group_members').where('instance_uid', '=', uid),
)

const deleteOccupant = prepare((tx: Tx, { uid }: { uid: string }) =>
  tx.deleteFrom('occupants').where('instance_uid', '=', uid),
)
