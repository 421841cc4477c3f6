import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import type { AddressInfo } from 'node:net'
import { createServer } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createRemoteJWKSet, jwtVerify } from 'jose'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import {
  findProcess,
  logPath,
  recordProcess,
  startDaemon,
  stopDaemon,
  stopDaemons,
} from '../../../cli/dev/daemon.ts'
import { type DataDirectory, dataDirectory, ensureDataDirectory } from '../../../cli/dev/data-directory.ts'
import { audience, ensureIssuerKey, signToken } from '../../../cli/dev/identity.ts'
import { choosePort, requirePort } from '../../../cli/dev/ports.ts'
import { systemClock } from '../../../lib/clock.ts'

let directory: DataDirectory
beforeEach(() => {
  directory = dataDirectory(mkdtempSync(join(tmpdir(), 'berth-daemon-')))
  ensureDataDirectory(directory)
})
afterEach(async () => {
  await stopDaemons(directory, systemClock)
  rmSync(directory.path, { recursive: true })
})

async function startIssuer(): Promise<string> {
  const port = await choosePort()
  const args = ['--port', String(port), '--jwks', directory.file('jwks.json')]
  startDaemon(directory, { name: 'issuer', program: 'cli/dev/issuer/main.ts', args })
  while (!readFileSync(logPath(directory, 'issuer'), 'utf8').includes('ready')) await systemClock.sleep(20)
  return `http://127.0.0.1:${port}`
}

describe('a daemon', () => {
  it('is found by its record, and gone after it was stopped', async () => {
    await ensureIssuerKey(directory)
    const issuer = await startIssuer()
    expect(findProcess(directory, 'issuer')).toBeDefined()
    await stopDaemon(directory, 'issuer', systemClock)
    expect(findProcess(directory, 'issuer')).toBeUndefined()
    await expect(fetch(`${issuer}/jwks.json`)).rejects.toThrow()
  })

  it('is not mistaken for another process that got its pid', () => {
    recordProcess(directory, 'scheduler', process.pid)
    expect(findProcess(directory, 'scheduler')?.pid).toBe(process.pid)
    writeFileSync(directory.file('scheduler.pid'), JSON.stringify({ pid: process.pid, startTime: '1' }))
    expect(findProcess(directory, 'scheduler')).toBeUndefined()
  })
})

describe('the issuer', () => {
  it('serves the key that tokens are verified with, by discovery, and nothing secret', async () => {
    const key = await ensureIssuerKey(directory)
    const issuer = await startIssuer()
    const token = await signToken(key, issuer)
    const discovery = (await (await fetch(`${issuer}/.well-known/openid-configuration`)).json()) as {
      issuer: string
      jwks_uri: string
    }
    expect(discovery.issuer).toBe(issuer)
    const keys = createRemoteJWKSet(new URL(discovery.jwks_uri))
    const { payload } = await jwtVerify(token, keys, { issuer, audience, algorithms: ['EdDSA'] })
    expect(payload['berth_roles']).toEqual(['operator', 'project-x9y8z7:admin'])
    const served = await (await fetch(discovery.jwks_uri)).text()
    expect(served).not.toContain(String(key.d))
    expect((await fetch(`${issuer}/issuer-key.json`)).status).toBe(404)
  })
})

describe('ports', () => {
  it('that are taken are told to users, and replaced where they have no say', async () => {
    const server = createServer()
    await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve))
    const { port } = server.address() as AddressInfo
    await expect(requirePort(port)).rejects.toThrow(`Port ${port} on 127.0.0.1 is taken`)
    expect(await choosePort(port)).not.toBe(port)
    server.close()
  })
})
