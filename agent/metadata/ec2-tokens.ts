import { createHmac, timingSafeEqual } from 'node:crypto'

/**
 * Tokens of Amazon's second version. Nothing is kept for them: a token says until when it is good and proves, by a secret
 * of this process, to whom it was given. After a restart guests get 401 and ask for another, as they do when one ends.
 */
export interface Ec2Tokens {
  /** For the guest with this address, until then. */
  issue(address: string, untilMs: number): string
  isGood(token: string, address: string, nowMs: number): boolean
}

export function createEc2Tokens(secret: Uint8Array): Ec2Tokens {
  const proofOf = (address: string, until: string) =>
    createHmac('sha256', secret).update(`${address} ${until}`).digest()
  return {
    issue: (address, untilMs) => {
      const until = untilMs.toString(36)
      return `${until}.${proofOf(address, until).toString('base64url')}`
    },
    isGood: (token, address, nowMs) => {
      const [, until = '', proof = ''] = /^([0-9a-z]{1,12})\.([\w-]{43})$/.exec(token) ?? []
      if (until === '' || Number.parseInt(until, 36) <= nowMs) return false
      return timingSafeEqual(Buffer.from(proof, 'base64url'), proofOf(address, until))
    },
  }
}
