import { createHash, timingSafeEqual } from 'node:crypto'
import type { Metadata } from '@grpc/grpc-js'
import { type HostId, hostId } from '../../proto/ids.ts'

/** What a peer must show. */
export interface PeerSettings {
  /** Known to every agent of the region: it proves that the peer is one of them, not which. */
  readonly sharedToken: string
}

export type PeerIdentity =
  | { readonly kind: 'host'; readonly hostId: HostId }
  | { readonly kind: 'refused'; readonly message: string }

const hostIdPattern = /^[A-Za-z0-9][A-Za-z0-9._-]{0,252}$/

/**
 * Who calls. The only place that decides it: whatever a message says about its sender is compared with this, never
 * believed by itself.
 */
export function peerIdentity(call: { readonly metadata: Metadata }, peers: PeerSettings): PeerIdentity {
  const token = /^Bearer (.+)$/.exec(readText(call.metadata, 'authorization'))?.[1]
  if (token === undefined || !isSameSecret(token, peers.sharedToken)) {
    return { kind: 'refused', message: "The agents' token is missing or not the one of this region." }
  }
  const claimed = readText(call.metadata, 'berth-host-id')
  if (!hostIdPattern.test(claimed)) {
    return { kind: 'refused', message: 'The metadata berth-host-id is missing or is no host id.' }
  }
  return { kind: 'host', hostId: hostId(claimed) }
}

function readText(metadata: Metadata, key: string): string {
  const [value, ...others] = metadata.get(key)
  return typeof value === 'string' && others.length === 0 ? value : ''
}

/** Hashes have one length, so that neither length nor content shows in the time it takes. */
function isSameSecret(a: string, b: string): boolean {
  return timingSafeEqual(createHash('sha256').update(a).digest(), createHash('sha256').update(b).digest())
}
