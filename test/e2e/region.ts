// A whole region for one test file: the scheduler and an agent as programs of their own, as an operator runs them,
// with settings and state in a temporary directory, and a token issuer's key that only this test has.
import { type ChildProcess, spawn } from 'node:child_process'
import { chmodSync, closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { exportJWK, generateKeyPair, SignJWT } from 'jose'
import { v7 } from 'uuid'
import { stringify } from 'yaml'
import { repositoryRoot } from '../support/imports.ts'
import { freePort } from '../support/ports.ts'
import type { TestImage } from './images.ts'
import { sweepRegion } from './sweep.ts'

export const regionId = 'us-texas-1'
export const zoneId = 'us1-a'
export const projectId = 'project-x9y8z7'

export interface Answer<Body> {
  readonly status: number
  readonly headers: Headers
  readonly body: Body
}

export interface Daemon {
  readonly pid: number
  kill(signal: 'SIGKILL' | 'SIGTERM'): Promise<void>
}

export interface Region {
  readonly directory: string
  readonly networkUid: string
  readonly url: string
  /** Of an operator who is admin of every project too. */
  readonly token: string
  call<Body>(
    method: string,
    path: string,
    body?: unknown,
    headers?: Record<string, string>,
  ): Promise<Answer<Body>>
  startScheduler(): Promise<Daemon>
  startAgent(): Promise<Daemon>
  /** Simulated hosts instead of this one. */
  startFleet(hosts: number): Promise<Daemon>
  /** Ends everything that was started and removes the directory. `BERTH_KEEP=1` keeps guests and directory to look at. */
  close(beforeRemoval?: () => void): Promise<void>
}

const instances = `/v1/regions/${regionId}/projects/${projectId}/compute/instances`

export const instancePath = (id = '') => (id === '' ? instances : `${instances}/${id}`)

export async function openRegion(images: readonly TestImage[]): Promise<Region> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-e2e-'))
  // Guests' users pass through it.
  chmodSync(directory, 0o711)
  const networkUid = v7()
  const [httpPort, agentPort] = [await freePort(), await freePort()]
  const agentToken = v7()
  const keys = await generateKeyPair('EdDSA')
  const issuer = 'https://issuer.test.invalid'
  const schedulerSettings = {
    region: regionId,
    http: { host: '127.0.0.1', port: httpPort, requestsPerMinute: 1_000_000 },
    agents: { host: '127.0.0.1', port: agentPort, token: agentToken },
    store: { path: join(directory, 'scheduler.sqlite') },
    auth: {
      issuer,
      audience: 'berth',
      jwks: { keys: [{ ...(await exportJWK(keys.publicKey)), alg: 'EdDSA', kid: 'test' }] },
    },
    zones: [
      {
        id: zoneId,
        cpuOvercommit: 4,
        // The displays of lab hosts.
        acceleratorTypes: [{ id: 'stand-in', pciIds: ['1234:1111'] }],
        instanceTypes: [
          { id: 'g1-small', vcpus: 1, memoryMib: 256, defaultImage: images[0]?.id },
          { id: 'g1-medium', vcpus: 2, memoryMib: 1024, defaultImage: images[0]?.id },
        ],
      },
    ],
    images,
    projects: [
      {
        id: projectId,
        networks: [
          {
            id: 'default',
            uid: networkUid,
            subnet: { id: 'default', ipv4Cidr: '10.80.0.0/24', ipv6Cidr: 'fd5b:80::/64' },
          },
        ],
      },
    ],
  }
  const agentSettings = {
    hostId: 'host-e2e',
    zone: zoneId,
    scheduler: { address: `127.0.0.1:${agentPort}`, token: agentToken },
    directories: { state: join(directory, 'agent'), run: join(directory, 'run') },
  }
  writeFileSync(join(directory, 'scheduler.yaml'), stringify(schedulerSettings))
  writeFileSync(join(directory, 'agent.yaml'), stringify(agentSettings))
  const token = await new SignJWT({ berth_roles: ['operator', '*:admin'] })
    .setProtectedHeader({ alg: 'EdDSA', kid: 'test' })
    .setIssuer(issuer)
    .setAudience('berth')
    .setSubject('tester')
    .setIssuedAt()
    .setExpirationTime('2h')
    .sign(keys.privateKey)
  const url = `http://127.0.0.1:${httpPort}`
  const daemons = new Set<Daemon>()

  async function start(
    program: 'scheduler' | 'agent' | 'fleet',
    isReady: () => Promise<boolean>,
  ): Promise<Daemon> {
    const script = program === 'fleet' ? 'agent/fleet.ts' : `${program}/main.ts`
    const log = openSync(join(directory, `${program}.log`), 'a')
    const child = spawn(
      process.execPath,
      [join(repositoryRoot, script), '--config', join(directory, `${program}.yaml`)],
      { stdio: ['ignore', log, log] },
    )
    closeSync(log)
    const daemon = daemonOf(child, () => daemons.delete(daemon))
    daemons.add(daemon)
    await waitUntil(`${program} is ready`, async () => {
      if (child.exitCode !== null) {
        throw new Error(
          `${program} ended: ${readFileSync(join(directory, `${program}.log`), 'utf8').slice(-3000)}`,
        )
      }
      return isReady()
    })
    return daemon
  }

  const region: Region = {
    directory,
    networkUid,
    url,
    token,
    call: async <Body>(
      method: string,
      path: string,
      body?: unknown,
      headers: Record<string, string> = {},
    ) => {
      const response = await fetch(`${url}${path}`, {
        method,
        headers: {
          authorization: `Bearer ${token}`,
          ...(body === undefined ? {} : { 'content-type': 'application/json' }),
          ...headers,
        },
        ...(body === undefined ? {} : { body: JSON.stringify(body) }),
      })
      const text = await response.text()
      return {
        status: response.status,
        headers: response.headers,
        body: (text === '' ? undefined : JSON.parse(text)) as Body,
      }
    },
    startScheduler: () =>
      start('scheduler', async () => {
        try {
          return (await fetch(`${url}/readyz`)).ok
        } catch {
          return false
        }
      }),
    startFleet: (hosts) => {
      const { zone, scheduler } = agentSettings
      const directories = { state: join(directory, 'fleet') }
      writeFileSync(
        join(directory, 'fleet.yaml'),
        stringify({ hosts, shape: '2xnvidia-h100-80gb', zone, scheduler, directories }),
      )
      return start('fleet', () => isAgentConnected(region))
    },
    startAgent: () => start('agent', () => isAgentConnected(region)),
    close: async (beforeRemoval) => {
      for (const daemon of [...daemons]) await daemon.kill('SIGTERM')
      if (process.env['BERTH_KEEP'] === '1') return
      sweepRegion(directory, networkUid)
      beforeRemoval?.()
      rmSync(directory, { recursive: true, force: true })
    },
  }
  return region
}

/** That of a certain host, or any. */
export async function isAgentConnected(region: Region, hostId?: string): Promise<boolean> {
  const { body } = await region.call<{ hosts: { id: string; connected: boolean }[] }>(
    'GET',
    `/v1/regions/${regionId}/hosts`,
  )
  return body.hosts.some((host) => host.connected && (hostId === undefined || host.id === hostId))
}

function daemonOf(child: ChildProcess, onEnd: () => void): Daemon {
  const ended = new Promise<void>((resolve) => {
    child.once('exit', () => {
      onEnd()
      resolve()
    })
  })
  return {
    pid: child.pid ?? 0,
    kill: async (signal) => {
      child.kill(signal)
      await ended
    },
  }
}

/** Polls until it is so. The limit is there to end a broken test, not to measure. */
export async function waitUntil(
  what: string,
  isSo: () => Promise<boolean>,
  limitMs = 240_000,
): Promise<void> {
  const startedMs = Date.now()
  while (!(await isSo())) {
    if (Date.now() - startedMs > limitMs)
      throw new Error(`After ${limitMs / 1000} s it is not so that ${what}.`)
    await new Promise((resolve) => setTimeout(resolve, 100))
  }
}
