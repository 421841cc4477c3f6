import { once } from 'node:events'
import { createServer } from 'node:http'
import type { AddressInfo } from 'node:net'
import { SignJWT } from 'jose'
import { describe, expect, it } from 'vitest'
import { systemClock } from '../../../lib/clock.ts'
import { createTokenVerifier } from '../../../scheduler/auth/verify-token.ts'
import { createIssuer, issuerUrl } from './issuer.ts'

const issuer = await createIssuer()
const verifier = createTokenVerifier({ settings: issuer.settings, clock: systemClock })
const stranger = await createIssuer()

async function outcome(token: string): Promise<string> {
  const verification = await verifier.verify(`Bearer ${token}`)
  return verification.kind === 'verified' ? 'verified' : verification.message
}

describe('createTokenVerifier', () => {
  it('gives subject and roles', async () => {
    const token = await issuer.tokenFor(
      'operator',
      'p:editor',
      'p:viewer',
      '*:viewer',
      'x:owner',
      'a:b:admin',
    )
    expect(await verifier.verify(`Bearer ${token}`)).toEqual({
      kind: 'verified',
      principal: {
        subject: 'alice',
        operator: true,
        expiresAtMs: expect.any(Number) as number,
        projects: new Map([
          ['p', 'editor'],
          ['*', 'viewer'],
        ]),
      },
    })
  })

  it('reads nested claims and maps the words of the issuer', async () => {
    const settings = {
      ...issuer.settings,
      roleClaim: 'realm.roles',
      roleMapping: { staff: ['operator', 'p:admin'] },
    }
    const mapped = createTokenVerifier({ settings, clock: systemClock })
    const verification = await mapped.verify(`Bearer ${await issuer.sign({ realm: { roles: ['staff'] } })}`)
    expect(verification).toMatchObject({ principal: { operator: true, projects: new Map([['p', 'admin']]) } })
  })

  it('refuses one that it has verified, once it has expired', async () => {
    let nowMs = systemClock.nowMs()
    const clock = { ...systemClock, nowMs: () => nowMs }
    const settings = { ...issuer.settings, clockSkewSeconds: 0 }
    const later = createTokenVerifier({ settings, clock })
    const token = `Bearer ${await issuer.sign({}, { expires: Math.floor(nowMs / 1000) + 20 })}`
    expect(await later.verify(token)).toMatchObject({ kind: 'verified' })
    nowMs += 21_000
    expect(await later.verify(token)).toMatchObject({ message: expect.stringContaining('expired') as string })
  })

  it('refuses what is missing or no token', async () => {
    for (const header of [undefined, '', 'Basic YTpi', 'Bearer', 'Bearer a b']) {
      expect(await verifier.verify(header)).toMatchObject({
        kind: 'refused',
        problems: [{ reason: 'UNAUTHENTICATED' }],
      })
    }
  })

  it('refuses other issuers, audiences, keys, times and algorithms, and says which', async () => {
    expect(await outcome(await issuer.sign({ iss: 'https://else' }))).toContain('issuer')
    expect(await outcome(await issuer.sign({ aud: 'else' }))).toContain('audience')
    expect(await outcome(await issuer.sign({}, { expires: 1_000_000 }))).toContain('expired')
    expect(await outcome(await stranger.tokenFor('operator'))).toContain('signed by the issuer')
    expect(await outcome('a.b.c')).toContain('signed by the issuer')
    const symmetric = new SignJWT({ sub: 'eve' }).setProtectedHeader({ alg: 'HS256' })
    const forged = await symmetric.setIssuer(issuerUrl).sign(new TextEncoder().encode('x'.repeat(32)))
    expect(await outcome(forged)).toContain('algorithm')
    expect(await outcome(await issuer.tokenFor())).toBe('verified')
  })

  it('allows for clocks that differ a little', async () => {
    const nowSeconds = Math.floor(Date.now() / 1000)
    expect(await outcome(await issuer.sign({}, { expires: nowSeconds - 10 }))).toBe('verified')
    expect(await outcome(await issuer.sign({}, { expires: nowSeconds - 60 }))).toContain('expired')
  })

  it('does not blame the token for an issuer that is in trouble', async () => {
    const answers: (readonly [number, string])[] = [
      [500, '{}'],
      [200, 'oops'],
      [200, '{"keys":7}'],
      [200, JSON.stringify(issuer.settings.jwks)],
    ]
    const server = createServer((_request, response) => {
      const [status, text] = answers.shift() ?? [500, '']
      response.writeHead(status, { 'content-type': 'application/json' }).end(text)
    })
    await once(server.listen(0, '127.0.0.1'), 'listening')
    const { jwks: _jwks, ...settings } = issuer.settings
    const jwksUri = `http://127.0.0.1:${(server.address() as AddressInfo).port}/keys`
    const remote = createTokenVerifier({ settings: { ...settings, jwksUri }, clock: systemClock })
    const header = `Bearer ${await issuer.tokenFor('operator')}`
    for (let time = 0; time < 3; time += 1) {
      expect(await remote.verify(header)).toMatchObject({ problems: [{ reason: 'TRY_AGAIN' }] })
    }
    expect(await remote.verify(header)).toMatchObject({ kind: 'verified' })
    server.close()
    server.closeAllConnections()
  })
})
