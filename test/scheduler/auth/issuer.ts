import { exportJWK, generateKeyPair, type JWTPayload, SignJWT } from 'jose'
import { parseConfig } from '../../../lib/config.ts'
import { AuthSettings } from '../../../scheduler/config.ts'

export const issuerUrl = 'https://issuer.example.net'

/** A token issuer with one key, and the settings that trust it. */
export async function createIssuer() {
  const { privateKey, publicKey } = await generateKeyPair('EdDSA')
  const jwks = { keys: [{ ...(await exportJWK(publicKey)), kid: 'one', alg: 'EdDSA' }] }
  const settings = parseConfig(
    AuthSettings,
    JSON.stringify({ issuer: issuerUrl, audience: 'berth', jwks }),
    'auth.yaml',
  )
  const sign = (claims: JWTPayload, options: { expires?: string | number } = {}) =>
    new SignJWT({ sub: 'alice', iss: issuerUrl, aud: 'berth', ...claims })
      .setProtectedHeader({ alg: 'EdDSA', kid: 'one' })
      .setIssuedAt()
      .setExpirationTime(options.expires ?? '1h')
      .sign(privateKey)
  return { settings, sign, tokenFor: (...roles: string[]) => sign({ berth_roles: roles }) }
}
