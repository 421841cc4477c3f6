// `berth login` as a person meets it: the real program, a real OpenID Connect provider and the real API, on loopback.
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { mkdtempSync, readFileSync, rmSync, statSync, writeFileSync } from 'node:fs'
import { createServer, type Server } from 'node:http'
import type { AddressInfo } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair } from 'jose'
import Provider from 'oidc-provider'
import { afterEach, beforeEach, expect, it } from 'vitest'
import type { ContextFile } from '../../cli/context/context-file.ts'
import { parseConfig } from '../../lib/config.ts'
import { AuthSettings } from '../../scheduler/config.ts'
import { type Region, startRegion } from '../scheduler/api/region.ts'
import { repositoryRoot } from '../support/imports.ts'
import { createBrowser } from '../support/oidc-user.ts'

const audience = 'https://berth.example.net'
let issuerServer: Server
let issuer = ''
let region: Region
let folder = ''
beforeEach(async () => {
  folder = mkdtempSync(join(tmpdir(), 'berth-login-'))
  let provider: Provider | undefined
  issuerServer = createServer((request, response) => void provider?.callback()(request, response))
  await once(issuerServer.listen(0, '127.0.0.1'), 'listening')
  issuer = `http://127.0.0.1:${(issuerServer.address() as AddressInfo).port}`
  provider = await makeProvider()
  const settings = { issuer, audience, cli: { clientId: 'berth-cli' } }
  region = await startRegion({ auth: parseConfig(AuthSettings, JSON.stringify(settings), 'auth.yaml') })
})
afterEach(async () => {
  issuerServer.close()
  issuerServer.closeAllConnections()
  await region.close()
  rmSync(folder, { recursive: true })
})

async function makeProvider(): Promise<Provider> {
  const { privateKey } = await generateKeyPair('ES256', { extractable: true })
  const key = { ...(await exportJWK(privateKey)), kid: 'one', alg: 'ES256', use: 'sig' }
  return new Provider(issuer, {
    clients: [
      {
        client_id: 'berth-cli',
        token_endpoint_auth_method: 'none',
        grant_types: ['urn:ietf:params:oauth:grant-type:device_code', 'refresh_token'],
        redirect_uris: [],
        response_types: [],
        application_type: 'native',
        id_token_signed_response_alg: 'ES256',
      },
    ],
    jwks: { keys: [key] },
    cookies: { keys: ['for this test'] },
    scopes: ['openid', 'offline_access'],
    findAccount: (_context, accountId) => ({ accountId, claims: () => ({ sub: accountId }) }),
    extraTokenClaims: () => ({ berth_roles: ['project-x9y8z7:editor'] }),
    features: {
      deviceFlow: { enabled: true },
      revocation: { enabled: true },
      devInteractions: { enabled: true },
      resourceIndicators: {
        enabled: true,
        defaultResource: () => audience,
        useGrantedResource: () => true,
        getResourceServerInfo: () => ({
          ...{ scope: '', audience, accessTokenFormat: 'jwt' as const, accessTokenTTL: 600 },
          jwt: { sign: { alg: 'ES256' as const } },
        }),
      },
    },
  })
}

/** `said` gets what it writes to standard error, as it comes. */
async function berth(args: readonly string[], said: (text: string) => void = () => {}) {
  const child = spawn(process.execPath, [join(repositoryRoot, 'cli/main.ts'), ...args], {
    env: { PATH: process.env['PATH'], BERTH_CONFIG: join(folder, 'c.json') },
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  let [stdout, stderr] = ['', '']
  child.stdout.on('data', (chunk: Buffer) => {
    stdout += chunk.toString()
  })
  child.stderr.on('data', (chunk: Buffer) => {
    stderr += chunk.toString()
    said(stderr)
  })
  const [exitCode] = (await once(child, 'close')) as [number | null]
  return { exitCode, stdout, stderr }
}

async function login(values: Readonly<Record<string, string>>) {
  let isOpened = false
  return berth(['login', '--server', region.url, '--name', 'here'], (text) => {
    const url = /Open (\S+) and confirm/.exec(text)?.[1]
    if (url === undefined || isOpened) return
    isOpened = true
    void createBrowser().walk(url, values)
  })
}
const approve = { login: 'alice', password: 'x' }
const readSaved = () => {
  const file = JSON.parse(readFileSync(join(folder, 'c.json'), 'utf8')) as ContextFile
  return { file, here: file.contexts['here'] }
}

it('saves where and as whom, renews the token by itself, and forgets it', async () => {
  const done = await login(approve)
  expect([done.exitCode, done.stderr]).toEqual([0, expect.stringContaining('confirm the code')])
  expect(done.stdout).toMatch(/context here \(region us-texas-1, project project-x9y8z7\)/)
  expect(statSync(join(folder, 'c.json')).mode & 0o777).toBe(0o600)
  const list = await berth(['networks', 'list', '-o', 'name'])
  expect([list.exitCode, list.stdout]).toEqual([0, 'default\nnetwork-g7h8i9\n'])

  // As it is ten minutes later.
  const { file, here } = readSaved()
  if (here?.login === undefined) throw new Error('No login was saved.')
  const over = { ...here, token: 'over', login: { ...here.login, expiresAtMs: 0 } }
  writeFileSync(join(folder, 'c.json'), JSON.stringify({ ...file, contexts: { here: over } }))
  expect((await berth(['networks', 'list', '-o', 'name'])).exitCode).toBe(0)
  expect(readSaved().here?.token).not.toBe('over')

  expect((await berth(['context', 'list'])).stdout).toMatch(/^\* here {2}http/)
  const { refreshToken = '' } = readSaved().here?.login ?? {}
  expect((await berth(['logout'])).stdout).toBe('Logged out of here\n')
  expect(readSaved().file.contexts).toEqual({})
  // Nobody who has kept it can go on with it.
  const again = { ...over, login: { ...over.login, refreshToken } }
  writeFileSync(join(folder, 'c.json'), JSON.stringify({ current: 'here', contexts: { here: again } }))
  const late = await berth(['networks', 'list'])
  expect([late.exitCode, late.stderr]).toEqual([3, expect.stringContaining('run berth login')])
})

it('saves nothing where the person says no', async () => {
  const refused = await login({ ...approve, abort: 'yes' })
  expect([refused.exitCode, refused.stderr]).toEqual([3, expect.stringContaining('refused in the browser')])
  expect(() => readSaved()).toThrow('ENOENT')
})

it('says what is missing', async () => {
  const nowhere = await berth(['login', '--server', issuer])
  expect([nowhere.exitCode, nowhere.stderr]).toEqual([1, expect.stringContaining('is it a Berth server?')])
  const silent = await berth(['login', '--server', 'http://127.0.0.1:1'])
  expect([silent.exitCode, silent.stderr]).toEqual([1, expect.stringContaining('does not answer')])
  expect((await berth(['context', 'use', 'nothing'])).exitCode).toBe(2)
  expect((await berth(['context', 'list'])).stdout).toContain('No contexts.')
})
