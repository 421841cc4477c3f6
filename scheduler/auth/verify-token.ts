// Bearer tokens: a signed JWT in, a principal or a refusal out. Issuer, audience and algorithms are pinned by the
// settings; the token's own header decides nothing. Never logs or echoes a token.
import { errors, type JWTPayload, jwtVerify } from 'jose'
import type { Clock } from '../../lib/clock.ts'
import type { AuthSettings } from '../config.ts'
import { type Refusal, refuse } from '../errors.ts'
import { type Principal, parseRoles } from './roles.ts'
import { createSigningKeys } from './signing-keys.ts'

export type Verification = { readonly kind: 'verified'; readonly principal: Principal } | Refusal

export interface TokenVerifier {
  /** Of the value of the Authorization header. */
  verify(authorization: string | undefined): Promise<Verification>
}

/** A signature takes longer to verify than most requests to answer. Keys that are taken back count as long after. */
const verifiedForMs = 30_000
const maximumVerified = 10_000

export function createTokenVerifier({
  settings,
  clock,
}: {
  settings: AuthSettings
  clock: Clock
}): TokenVerifier {
  const keys = createSigningKeys(settings)
  const keyIds = new Set<string>()
  const verified = new Map<string, { readonly principal: Principal; readonly untilMs: number }>()
  return {
    verify: async (authorization) => {
      const token = parseBearer(authorization)
      if (token === undefined) return unauthenticated('Send a token: Authorization: Bearer TOKEN.')
      const nowMs = clock.nowMs()
      const known = verified.get(token)
      if (known !== undefined && nowMs < known.untilMs) {
        return { kind: 'verified', principal: known.principal }
      }
      try {
        const { payload, protectedHeader } = await jwtVerify(token, keys, {
          issuer: settings.issuer,
          audience: settings.audience,
          algorithms: [...settings.algorithms],
          clockTolerance: settings.clockSkewSeconds,
          currentDate: new Date(nowMs),
          requiredClaims: ['sub', 'exp'],
        })
        const principal = principalOf(payload, settings)
        // The issuer has changed its keys: one that is gone may have signed what was verified before.
        const { kid = '' } = protectedHeader
        if (!keyIds.has(kid) || verified.size >= maximumVerified) verified.clear()
        keyIds.add(kid)
        verified.set(token, { principal, untilMs: Math.min(nowMs + verifiedForMs, principal.expiresAtMs) })
        return { kind: 'verified', principal }
      } catch (thrown) {
        if (!(thrown instanceof errors.JOSEError) || keyTroubles.has(thrown.code)) {
          return refuse('TRY_AGAIN', {
            message: 'The keys of the token issuer can not be reached; try again.',
          })
        }
        return unauthenticated(explain(thrown))
      }
    },
  }
}

// Of the issuer's key set, not of the token: it answers too late, with an error, or with something else.
const keyTroubles = new Set(['ERR_JWKS_TIMEOUT', 'ERR_JWKS_INVALID', 'ERR_JOSE_GENERIC'])

const unauthenticated = (message: string) => refuse('UNAUTHENTICATED', { message })

function parseBearer(authorization: string | undefined): string | undefined {
  return /^Bearer +([A-Za-z0-9._~+/-]+=*)$/i.exec(authorization ?? '')?.[1]
}

function principalOf(payload: JWTPayload, settings: AuthSettings): Principal {
  const claim = readClaim(payload, settings.roleClaim)
  const values = typeof claim === 'string' ? claim.split(' ') : Array.isArray(claim) ? claim : []
  const names = values.filter((value) => typeof value === 'string')
  const expiresAtMs = (payload.exp ?? 0) * 1000
  return { subject: payload.sub ?? '', expiresAtMs, ...parseRoles(names, settings.roleMapping) }
}

/** The claim of that very name, else the dotted path: Keycloak's realm_access.roles, others' https://… names. */
function readClaim(payload: JWTPayload, name: string): unknown {
  if (Object.hasOwn(payload, name)) return payload[name]
  return name.split('.').reduce<unknown>((value, key) => {
    if (typeof value !== 'object' || value === null || !Object.hasOwn(value, key)) return undefined
    return (value as Record<string, unknown>)[key]
  }, payload)
}

function explain(error: errors.JOSEError): string {
  if (error instanceof errors.JWTExpired) return 'The token has expired; get a new one.'
  if (error instanceof errors.JWTClaimValidationFailed) return claimSentence(error.claim)
  if (error instanceof errors.JOSEAlgNotAllowed)
    return 'The token is signed with an algorithm that is not accepted.'
  return 'The token is not one that was signed by the issuer this region trusts.'
}

function claimSentence(claim: string): string {
  if (claim === 'nbf') return 'The token is not valid yet.'
  const known: Readonly<Record<string, string>> = {
    iss: 'issuer',
    aud: 'audience',
    sub: 'subject',
    exp: 'expiry',
  }
  return `The token's ${known[claim] ?? claim} is missing or not the one that this region accepts.`
}
