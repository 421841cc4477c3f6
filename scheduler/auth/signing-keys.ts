// Where the keys come from that tokens are verified with: the settings themselves, an address in them, or what the issuer
// says of itself (OpenID Connect Discovery). Keys are fetched again when a token names one that is not known: an issuer
// rotates them as it likes.
import { createLocalJWKSet, createRemoteJWKSet, type JWTVerifyGetKey } from 'jose'
import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { AuthSettings } from '../config.ts'

const timeoutMs = 5000
const remoteOptions = { timeoutDuration: timeoutMs, cooldownDuration: 2000, cacheMaxAge: 600_000 }

export function createSigningKeys(settings: AuthSettings): JWTVerifyGetKey {
  if (settings.jwks !== undefined) return createLocalJWKSet(settings.jwks)
  if (settings.jwksUri !== undefined) return createRemoteJWKSet(new URL(settings.jwksUri), remoteOptions)
  let discovered: Promise<JWTVerifyGetKey> | undefined
  return async (header, token) => {
    discovered ??= discover(settings.issuer).catch((thrown: unknown) => {
      // Asked again with the next token.
      discovered = undefined
      throw thrown
    })
    return (await discovered)(header, token)
  }
}

const Discovery = Type.Object({ issuer: Type.String(), jwks_uri: Type.String() })

/** @throws where the issuer does not answer, or answers for another. */
async function discover(issuer: string): Promise<JWTVerifyGetKey> {
  const address = `${issuer.replace(/\/$/, '')}/.well-known/openid-configuration`
  const response = await fetch(address, { signal: AbortSignal.timeout(timeoutMs), redirect: 'error' })
  if (!response.ok) throw new Error(`${address} answered ${response.status}.`)
  const document: unknown = await response.json()
  if (!Value.Check(Discovery, document)) throw new Error(`${address} is no discovery document.`)
  if (document.issuer !== issuer) throw new Error(`${address} speaks for ${document.issuer}.`)
  return createRemoteJWKSet(new URL(document.jwks_uri), remoteOptions)
}
