import { existsSync, readFileSync } from 'node:fs'
import { exportJWK, generateKeyPair, importJWK, type JWK, SignJWT } from 'jose'
import { projectId } from './catalogue.ts'
import { type DataDirectory, writePrivateFile } from './data-directory.ts'

export const audience = 'berth'
const algorithm = 'EdDSA'
const keyId = 'dev'

/** The issuer's key: made once for a data directory. Its public half goes to the file that the issuer serves. */
export async function ensureIssuerKey(directory: DataDirectory): Promise<JWK> {
  const path = directory.file('issuer-key.json')
  if (!existsSync(path)) {
    const { privateKey } = await generateKeyPair(algorithm, { extractable: true })
    writePrivateFile(path, JSON.stringify({ ...(await exportJWK(privateKey)), alg: algorithm, kid: keyId }))
  }
  const key = JSON.parse(readFileSync(path, 'utf8')) as JWK
  const { d: _secret, ...publicKey } = key
  writePrivateFile(directory.file('jwks.json'), JSON.stringify({ keys: [{ ...publicKey, use: 'sig' }] }))
  return key
}

/** A token that may do everything in the region of this machine. */
export async function signToken(key: JWK, issuer: string): Promise<string> {
  return new SignJWT({ berth_roles: ['operator', `${projectId}:admin`] })
    .setProtectedHeader({ alg: algorithm, kid: keyId })
    .setIssuer(issuer)
    .setAudience(audience)
    .setSubject('developer')
    .setIssuedAt()
    .setExpirationTime('7d')
    .sign(await importJWK(key, algorithm))
}
