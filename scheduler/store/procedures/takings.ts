import type { StoredResource } from '../../model/resource.ts'
import type { CreateResource, Taking } from '../resource-store.ts'
import { noteGivenBack } from './address-hints.ts'
import { formatIpv4, pickAddress, type Range, rangeOf } from './addresses.ts'
import { Refused } from './refused.ts'
import { giveReservationBack, takeSlots } from './reservations.ts'
import type { Tx } from './rows.ts'

/** What it got, as parts of its body. @throws Refused where there is none */
export async function take(tx: Tx, input: CreateResource): Promise<Record<string, unknown>> {
  const { taking } = input
  switch (taking?.kind) {
    case undefined:
      return {}
    case 'vlan':
      return { vlan: await takeVlan(tx, input.uid, taking) }
    case 'cidr':
      return { ipv4Cidr: await takeCidr(tx, input, taking) }
    case 'address':
      return { address: await takeAddress(tx, input.uid, taking) }
    case 'capacity':
      await takeSlots(tx, { ...taking, reservationUid: input.uid })
      return {}
  }
}

export async function giveTakenBack(tx: Tx, { uid, collection }: StoredResource): Promise<void> {
  if (collection === 'networks') await tx.deleteFrom('vlan_claims').where('network_uid', '=', uid).execute()
  if (collection === 'addresses') {
    const rows = await tx
      .deleteFrom('address_claims')
      .where('reservation_uid', '=', uid)
      .returning(['network_uid', 'ipv4'])
      .execute()
    for (const { network_uid, ipv4 } of rows) noteGivenBack(tx, network_uid, ipv4)
  }
  if (collection === 'reservations') await giveReservationBack(tx, uid)
}

async function takeVlan(
  tx: Tx,
  networkUid: string,
  { asked, pool }: Extract<Taking, { kind: 'vlan' }>,
): Promise<number> {
  const vlan = asked ?? (pool === undefined ? 0 : await lowestFreeVlan(tx, pool))
  if (vlan === 0) return 0
  const inserted = await tx
    .insertInto('vlan_claims')
    .values({ vlan, network_uid: networkUid })
    .onConflict((conflict) => conflict.column('vlan').doNothing())
    .executeTakeFirst()
  if (inserted.numInsertedOrUpdatedRows !== 1n) throw new Refused({ kind: 'vlan-taken', vlan })
  return vlan
}

async function lowestFreeVlan(tx: Tx, pool: { first: number; last: number }): Promise<number> {
  const rows = await tx
    .selectFrom('vlan_claims')
    .select('vlan')
    .where('vlan', '>=', pool.first)
    .where('vlan', '<=', pool.last)
    .execute()
  const taken = new Set(rows.map(({ vlan }) => vlan))
  for (let vlan = pool.first; vlan <= pool.last; vlan += 1) if (!taken.has(vlan)) return vlan
  throw new Refused({ kind: 'vlans-exhausted' })
}

/** Subnets of one project never overlap, in whatever networks they are. */
async function takeCidr(
  tx: Tx,
  { uid, scope, parentUid, body: { ipv6Cidr } }: CreateResource,
  { asked, pool, prefixLength }: Extract<Taking, { kind: 'cidr' }>,
): Promise<string> {
  const rows = await tx
    .selectFrom('resources')
    .select(['id', 'body', 'parent_uid'])
    .where('collection', '=', 'subnets')
    .where('scope', '=', scope)
    .where('uid', '<>', uid)
    .execute()
  const sibling = rows.find((row) => row.parent_uid === parentUid)
  if (sibling) throw new Refused({ kind: 'has-subnet', subnet: sibling.id })
  const others = rows.map(({ id, body }) => {
    const subnet = JSON.parse(body) as { ipv4Cidr: string; ipv6Cidr?: string }
    // All are /64: two that overlap are the same.
    if (subnet.ipv6Cidr !== undefined && subnet.ipv6Cidr === ipv6Cidr) {
      throw new Refused({ kind: 'cidr-overlaps', field: 'ipv6Cidr', cidr: subnet.ipv6Cidr, subnet: id })
    }
    return { id, ...rangeOf(subnet.ipv4Cidr) }
  })
  const findOverlap = (range: Range) =>
    others.find((other) => other.first <= range.last && range.first <= other.last)
  if (asked !== undefined) {
    const other = findOverlap(rangeOf(asked))
    if (other) throw new Refused({ kind: 'cidr-overlaps', field: 'ipv4Cidr', cidr: asked, subnet: other.id })
    return asked
  }
  const size = 2 ** (32 - prefixLength)
  const { first, last } = rangeOf(pool)
  for (let candidate = first; candidate + size - 1 <= last; ) {
    const other = findOverlap({ first: candidate, last: candidate + size - 1 })
    if (other === undefined) return `${formatIpv4(candidate)}/${prefixLength}`
    candidate = Math.ceil((other.last + 1) / size) * size
  }
  throw new Refused({ kind: 'cidrs-exhausted' })
}

async function takeAddress(
  tx: Tx,
  uid: string,
  taking: Extract<Taking, { kind: 'address' }>,
): Promise<string> {
  const { kind: _kind, ...claim } = taking
  const picked = await pickAddress(tx, claim, 'reservation')
  if (picked.kind === 'taken') throw new Refused({ kind: 'address-taken', nic: 0, address: picked.address })
  if (picked.kind === 'exhausted') throw new Refused({ kind: 'addresses-exhausted', nic: 0 })
  await tx
    .insertInto('address_claims')
    .values({
      ...{ network_uid: claim.networkUid, ipv4: picked.ipv4, reservation_uid: uid },
      ...{ instance_uid: null, mac_address: null },
    })
    // A NIC may have it already: then it stays with its instance, and is kept when that is gone.
    .onConflict((conflict) => conflict.columns(['network_uid', 'ipv4']).doUpdateSet({ reservation_uid: uid }))
    .execute()
  return formatIpv4(picked.ipv4)
}
