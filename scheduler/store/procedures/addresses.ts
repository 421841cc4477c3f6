import { isIPv4 } from 'node:net'
import type { AddressClaim } from '../store.ts'
import { firstToTry, noteLowest } from './address-hints.ts'
import { prepare } from './prepared.ts'
import type { Tx } from './rows.ts'

export type PickedAddress =
  | { readonly kind: 'picked'; readonly ipv4: number }
  | { readonly kind: 'taken'; readonly address: string }
  | { readonly kind: 'exhausted' }

/** For a NIC or for a reservation, each of which may have what only the other has. */
export type AddressHolder = 'nic' | 'reservation'

/** The asked address, or the lowest free one of the subnet. */
export async function pickAddress(
  tx: Tx,
  claim: Omit<AddressClaim, 'macAddress'> & {
    /** For others who are served with it: not for this one. */
    readonly besides?: readonly string[]
  },
  holder: AddressHolder,
): Promise<PickedAddress> {
  const { first, last } = hostRange(claim.ipv4Cidr)
  const reserved = new Set(claim.reservedIpv4.map(numberOf))
  if (claim.requestedIpv4 !== undefined) {
    const ipv4 = numberOf(claim.requestedIpv4)
    const isGivenOut =
      ipv4 >= first && ipv4 <= last && !reserved.has(ipv4) && !claim.besides?.includes(claim.requestedIpv4)
    return isGivenOut && !(await isHeld(tx, claim, { ipv4, holder }))
      ? { kind: 'picked', ipv4 }
      : { kind: 'taken', address: claim.requestedIpv4 }
  }
  const from = firstToTry(tx, claim.networkUid, first)
  const lowest =
    (await findFree(tx, claim, { from, last, reserved })) ??
    (from === first ? undefined : await findFree(tx, claim, { from: first, last, reserved }))
  if (lowest === undefined) return { kind: 'exhausted' }
  const besides = new Set(claim.besides?.map(numberOf))
  if (!besides.has(lowest)) {
    noteLowest(tx, claim.networkUid, lowest)
    return { kind: 'picked', ipv4: lowest }
  }
  const next = await findFree(tx, claim, {
    from: lowest + 1,
    last,
    reserved: new Set([...reserved, ...besides]),
  })
  return next === undefined ? { kind: 'exhausted' } : { kind: 'picked', ipv4: next }
}

async function findFree(
  tx: Tx,
  claim: Claim,
  { from, last, reserved }: { from: number; last: number; reserved: ReadonlySet<number> },
): Promise<number | undefined> {
  let candidate = from
  for (let claimed = 0; candidate <= last; ) {
    if (reserved.has(candidate)) {
      candidate += 1
      continue
    }
    if (!(await isClaimed(tx, claim, candidate))) return candidate
    claimed += 1
    // Mostly it was the last that somebody took, and the next one is free.
    candidate = claimed === 1 ? candidate + 1 : await endOfRun(tx, claim, candidate)
  }
  return undefined
}

export function formatIpv4(ipv4: number): string {
  return [24, 16, 8, 0].map((shift) => (ipv4 >>> shift) & 255).join('.')
}

type Claim = Pick<AddressClaim, 'networkUid'>

async function isClaimed(tx: Tx, claim: Claim, ipv4: number): Promise<boolean> {
  return (await findClaim(tx, claim, ipv4)) !== undefined
}

/** A reserved address is there for the NIC that asks for it by name, and one in use can be reserved for later. */
async function isHeld(
  tx: Tx,
  claim: Claim,
  { ipv4, holder }: { ipv4: number; holder: AddressHolder },
): Promise<boolean> {
  const row = await findClaim(tx, claim, ipv4)
  return row !== undefined && (holder === 'nic' ? row.instance_uid : row.reservation_uid) !== null
}

const holdersOf = prepare((tx: Tx, { networkUid, ipv4 }: { networkUid: string; ipv4: number }) =>
  tx
    .selectFrom('address_claims')
    .select(['instance_uid', 'reservation_uid'])
    .where('network_uid', '=', networkUid)
    .where('ipv4', '=', ipv4),
)

const findClaim = (tx: Tx, { networkUid }: Claim, ipv4: number) => holdersOf.first(tx, { networkUid, ipv4 })

const nextAfterRun = prepare((tx: Tx, { networkUid, from }: { networkUid: string; from: number }) =>
  tx
    .selectFrom('address_claims as claimed')
    .select((row) => row('claimed.ipv4', '+', 1).as('next'))
    .where('claimed.network_uid', '=', networkUid)
    .where('claimed.ipv4', '>=', from)
    .where(({ not, exists, selectFrom }) =>
      not(
        exists(
          selectFrom('address_claims as follower')
            .select('follower.ipv4')
            .where('follower.network_uid', '=', networkUid)
            .whereRef('follower.ipv4', '=', (row) => row('claimed.ipv4', '+', 1)),
        ),
      ),
    )
    .orderBy('claimed.ipv4')
    .limit(1),
)

/** The first address after `from` whose predecessor is claimed and which is not claimed itself: the database looks. */
async function endOfRun(tx: Tx, claim: Claim, from: number): Promise<number> {
  const row = await nextAfterRun.first(tx, { networkUid: claim.networkUid, from })
  return row?.next ?? from + 1
}

export interface Range {
  readonly first: number
  readonly last: number
}

/** From the network's own address to its broadcast address. */
export function rangeOf(cidr: string): Range {
  const [address = '', prefixLength] = cidr.split('/')
  const size = 2 ** (32 - Number(prefixLength))
  const first = Math.floor(numberOf(address) / size) * size
  return { first, last: first + size - 1 }
}

/** Without these two. */
function hostRange(cidr: string): Range {
  const { first, last } = rangeOf(cidr)
  return { first: first + 1, last: last - 1 }
}

function numberOf(address: string): number {
  if (!isIPv4(address)) throw new Error(`${address} is not an IPv4 address.`)
  return address.split('.').reduce((sum, octet) => sum * 256 + Number(octet), 0)
}
