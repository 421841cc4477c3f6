import type { HostSnapshot } from '../../../scheduler/model/placement.ts'
import type { Claim } from '../../../scheduler/placement/claim.ts'
import { CountedHost } from '../../../scheduler/placement/counted-host.ts'

/** The host with the claim. */
export function withClaim(host: HostSnapshot, claim: Claim): HostSnapshot {
  const counted = new CountedHost(host)
  counted.claim(claim)
  return counted.snapshot
}

/** The host without it: as if it had never been there. */
export function withoutClaim(host: HostSnapshot, claim: Claim): HostSnapshot {
  const counted = new CountedHost(host)
  counted.release(claim)
  return counted.snapshot
}
