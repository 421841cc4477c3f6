import { createPrivateKey, sign } from 'node:crypto'
import { type Answer, notReady } from './answer.ts'
import type { Document } from './document.ts'
import { gceText } from './gce-text.ts'
import type { IdentityFile } from './identity-file.ts'
import type { IdentityQuestion } from './identity-question.ts'

const lifeSeconds = 3600

/** A JWT (RFC 7519) that says who the guest is, signed with the host's key; every request gets a fresh one. */
export function answerIdentity(
  { audience, isFull }: IdentityQuestion,
  document: Document | undefined,
  { identity, nowMs }: { readonly identity: IdentityFile | undefined; readonly nowMs: number },
): Answer {
  const { issuer, current } = identity ?? {}
  if (document?.identity === undefined || issuer === undefined || current === undefined) {
    return notReady('The identity of this instance is not ready yet.\n')
  }
  const { sub, berth } = document.identity
  const iat = Math.floor(nowMs / 1000)
  const claims = {
    iss: issuer,
    sub,
    aud: audience,
    iat,
    exp: iat + lifeSeconds,
    ...(isFull ? { berth } : {}),
  }
  const signed = [{ alg: 'ES256', typ: 'JWT', kid: current.kid }, claims].map(encoded).join('.')
  const key = createPrivateKey(current.privateKey)
  // The two numbers side by side, as JWTs have them, and not in DER.
  const signature = sign('sha256', Buffer.from(signed), { key, dsaEncoding: 'ieee-p1363' })
  return gceText(200, `${signed}.${signature.toString('base64url')}`)
}

const encoded = (part: object): string => Buffer.from(JSON.stringify(part)).toString('base64url')
