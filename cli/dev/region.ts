// A whole region on this machine: issuer, scheduler, and an agent or a simulated fleet, as programs of their own. In: a
// data directory, a port, images. Out: a context to talk to it, once every host is connected. Starting again replaces
// what runs; guests do not notice. Never installs anything and never deletes an instance.
import { stringify } from 'yaml'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { type Client, createClient } from '../client/client.ts'
import type { Context } from '../context/context.ts'
import { CliError, exitCodes } from '../exit-codes.ts'
import { type DevImage, projectId, regionId } from './catalogue.ts'
import { type DaemonName, findProcess, logPath, readLogTail, startDaemon, stopDaemons } from './daemon.ts'
import {
  type DataDirectory,
  ensureDataDirectory,
  ensureRegionIdentity,
  writePrivateFile,
} from './data-directory.ts'
import { ensureIssuerKey, signToken } from './identity.ts'
import { choosePort, requirePort } from './ports.ts'
import {
  type FleetShape,
  issuerUrl,
  makeAgentSettings,
  makeFleetSettings,
  makeSchedulerSettings,
  type RegionLayout,
} from './settings.ts'

export interface RegionOptions {
  readonly directory: DataDirectory
  readonly port: number
  readonly images: readonly DevImage[]
  /** Instead of this machine as the one host. */
  readonly fleet?: FleetShape
  readonly clock: Clock
  readonly random: Random
  readonly say: (line: string) => void
  /** Once it is aborted nothing more is started. */
  readonly signal?: AbortSignal
}

export interface RunningRegion {
  readonly context: Context
  readonly client: Client
  readonly networkUid: string
  readonly daemons: readonly DaemonName[]
}

export async function startRegion(options: RegionOptions): Promise<RunningRegion> {
  const { directory, clock, random, say, fleet, signal } = options
  ensureDataDirectory(directory)
  await stopDaemons(directory, clock)
  const httpPort = await requirePort(options.port)
  const identity = await ensureRegionIdentity(directory, { random, choosePort })
  const layout: RegionLayout = { directory, identity, httpPort }
  const key = await ensureIssuerKey(directory)
  const context: Context = {
    server: `http://127.0.0.1:${httpPort}`,
    token: await signToken(key, issuerUrl(identity)),
    region: regionId,
    project: projectId,
  }
  const client = createClient({ context, clock, random })
  const host: DaemonName = fleet === undefined ? 'agent' : 'fleet'
  const daemons: readonly DaemonName[] = ['issuer', 'scheduler', host]
  const waiting = { directory, clock, daemons, signal }

  signal?.throwIfAborted()
  startDaemon(directory, {
    name: 'issuer',
    program: 'cli/dev/issuer/main.ts',
    args: ['--port', String(identity.issuerPort), '--jwks', directory.file('jwks.json')],
  })
  startWithSettings(directory, 'scheduler', makeSchedulerSettings(layout, options.images))
  if (fleet === undefined) startWithSettings(directory, 'agent', makeAgentSettings(layout))
  else startWithSettings(directory, 'fleet', makeFleetSettings(layout, fleet))
  say(`Logs are in ${directory.logs}`)

  await waitUntil('the token issuer answers', waiting, () => isOk(`${issuerUrl(identity)}/jwks.json`))
  await waitUntil('the API answers', waiting, () => isOk(`${context.server}/readyz`))
  const wanted = fleet?.hosts ?? 1
  let connected = -1
  await waitUntil('every host is connected', waiting, async () => {
    const now = (await client.listHosts()).filter((one) => one.connected).length
    if (now !== connected) say(`${now} of ${wanted} ${wanted === 1 ? 'host' : 'hosts'} connected`)
    connected = now
    return now >= wanted
  })
  return { context, client, networkUid: identity.networkUid, daemons }
}

const programs = { scheduler: 'scheduler/main.ts', agent: 'agent/main.ts', fleet: 'agent/fleet.ts' } as const

function startWithSettings(directory: DataDirectory, name: keyof typeof programs, settings: object): void {
  const path = directory.file(`${name}.yaml`)
  writePrivateFile(path, stringify(settings))
  startDaemon(directory, { name, program: programs[name], args: ['--config', path] })
}

const readyTimeoutMs = 180_000

interface Waiting {
  readonly directory: DataDirectory
  readonly clock: Clock
  readonly daemons: readonly DaemonName[]
  readonly signal: AbortSignal | undefined
}

async function waitUntil(
  what: string,
  { directory, clock, daemons, signal }: Waiting,
  isSo: () => Promise<boolean>,
): Promise<void> {
  const startedMs = clock.monotonicMs()
  for (;;) {
    const answer = await isSo().catch((thrown: unknown) => thrown)
    if (answer === true) return
    // Why a daemon ended says more than that it does not answer.
    assertRunning(directory, daemons)
    if (answer !== false) throw answer
    if (clock.monotonicMs() - startedMs > readyTimeoutMs) {
      throw new CliError(`After ${readyTimeoutMs / 1000} s it is still not so that ${what}.`, {
        exitCode: exitCodes.trouble,
        lines: [`What the daemons say: ${directory.logs}`],
      })
    }
    await clock.sleep(150, signal)
  }
}

/** A daemon that ended is trouble; its last words say which. */
export function assertRunning(directory: DataDirectory, daemons: readonly DaemonName[]): void {
  for (const name of daemons) {
    if (findProcess(directory, name) !== undefined) continue
    throw new CliError(`The ${name} ended. Its log is ${logPath(directory, name)}, and ends with:`, {
      exitCode: exitCodes.trouble,
      lines: readLogTail(directory, name),
    })
  }
}

async function isOk(url: string): Promise<boolean> {
  try {
    return (await fetch(url, { signal: AbortSignal.timeout(2000) })).ok
  } catch {
    return false
  }
}
