// Tokens of a real OpenID Connect provider, found by discovery, and its keys when they change.
import { once } from 'node:events'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { exportJWK, generateKeyPair, type JWK } from 'jose'
import Provider from 'oidc-provider'
import { afterEach, describe, expect, it } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { parseConfig } from '../../../lib/config.ts'
import { createTokenVerifier } from '../../../scheduler/auth/verify-token.ts'
import { AuthSettings } from '../../../scheduler/config.ts'

const audience = 'https://berth.example.net'
let server: Server | undefined
afterEach(() => {
  server?.close()
  server?.closeAllConnections()
})

async function makeKey(kid: string): Promise<JWK> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  return { ...(await exportJWK(privateKey)), kid, alg: 'ES256', use: 'sig' }
}

function makeProvider(issuer: string, key: JWK): Provider {
  const client = { client_id: 'robot', client_secret: 'secret', grant_types: ['client_credentials'] }
  return new Provider(issuer, {
    clients: [
      { ...client, redirect_uris: [], response_types: [], id_token_signed_response_alg: 'ES256' as const },
    ],
    jwks: { keys: [key] },
    cookies: { keys: ['for this test'] },
    extraTokenClaims: () => ({ berth_roles: ['project-x9y8z7:editor'] }),
    features: {
      devInteractions: { enabled: false },
      clientCredentials: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        getResourceServerInfo: () => ({
          ...{ scope: '', audience, accessTokenFormat: 'jwt' as const, accessTokenTTL: 600 },
          jwt: { sign: { alg: 'ES256' as const } },
        }),
      },
    },
  })
}

async function startIssuer(key: JWK) {
  let provider: Provider | undefined
  const listening = createServer((request, response) => void provider?.callback()(request, response))
  server = listening
  await once(listening.listen(0, '127.0.0.1'), 'listening')
  const issuer = `http://127.0.0.1:${(listening.address() as AddressInfo).port}`
  provider = makeProvider(issuer, key)
  return {
    issuer,
    rotate: (next: JWK) => {
      provider = makeProvider(issuer, next)
    },
    token: async () => {
      const response = await fetch(`${issuer}/token`, {
        method: 'POST',
        headers: { authorization: `Basic ${btoa('robot:secret')}` },
        body: new URLSearchParams({ grant_type: 'client_credentials' }),
      })
      const answer = (await response.json()) as { access_token: string }
      return `Bearer ${answer.access_token}`
    },
  }
}

const settingsFor = (issuer: string) =>
  parseConfig(AuthSettings, JSON.stringify({ issuer, audience }), 'auth.yaml')

describe('tokens of an OpenID Connect provider', () => {
  it('are verified with the keys that it publishes, also after it has changed them', async () => {
    const issuer = await startIssuer(await makeKey('one'))
    const verifier = createTokenVerifier({ settings: settingsFor(issuer.issuer), clock: systemClock })
    const first = await issuer.token()
    expect(await verifier.verify(first)).toMatchObject({
      kind: 'verified',
      principal: { subject: 'robot', projects: new Map([['project-x9y8z7', 'editor']]) },
    })
    issuer.rotate(await makeKey('two'))
    const second = await issuer.token()
    // Keys are not asked for at every unknown name: that would be a way to make the scheduler ask without end.
    await expect
      .poll(async () => (await verifier.verify(second)).kind, { timeout: 10_000, interval: 200 })
      .toBe('verified')
    expect(await verifier.verify(first)).toMatchObject({ problems: [{ reason: 'UNAUTHENTICATED' }] })
  })

  it('wait for one that is away', async () => {
    const settings = settingsFor('http://127.0.0.1:9')
    const verifier = createTokenVerifier({ settings, clock: systemClock })
    const issuer = await startIssuer(await makeKey('one'))
    expect(await verifier.verify(await issuer.token())).toMatchObject({ problems: [{ reason: 'TRY_AGAIN' }] })
  })

  it('of another provider are none', async () => {
    const issuer = await startIssuer(await makeKey('one'))
    const settings = { ...settingsFor(issuer.issuer), audience: 'https://else' }
    const verifier = createTokenVerifier({ settings, clock: systemClock })
    expect(await verifier.verify(await issuer.token())).toMatchObject({
      problems: [{ reason: 'UNAUTHENTICATED', message: expect.stringContaining('audience') as string }],
    })
  })
})
