// `berth dev`: a region on this machine in the foreground. In: flags. Out: URL and token once everything is connected
// (with --simulate one line of JSON), then nothing until Ctrl-C or until a daemon ends. Guests survive it unless they
// are simulated or --clean is given.
import { mkdtempSync, realpathSync, rmSync } from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join, resolve } from 'node:path'
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { removeContext, writeContext } from '../context/context-file.ts'
import { readDebianImage } from '../demo/debian-image.ts'
import { CliError, exitCodes } from '../exit-codes.ts'
import { projectId, regionId, simulatedImage, zoneId } from './catalogue.ts'
import { deleteAllInstances, removeRegion } from './clean-up.ts'
import { findProcess, forgetProcess, recordProcess, stopDaemons } from './daemon.ts'
import {
  assertReachableByGuests,
  type DataDirectory,
  dataDirectory,
  ensureDataDirectory,
} from './data-directory.ts'
import { namespaceOf } from './host-names.ts'
import { assertRealGuestsPossible } from './preflight.ts'
import { assertRunning, type RunningRegion, startRegion } from './region.ts'

export interface DevFlags {
  readonly port: number
  readonly data?: string
  readonly simulate?: number
  readonly shape: string
  readonly clean: boolean
}

const clock = systemClock
const random = systemRandom
const contextName = 'dev'
const say = (line: string) => process.stderr.write(`${line}\n`)

export async function devAction(flags: DevFlags): Promise<void> {
  const { simulate: hosts } = flags
  const isSimulated = hosts !== undefined
  if (!isSimulated) assertRealGuestsPossible()
  const directory = chooseDataDirectory(flags)
  ensureDataDirectory(directory)
  if (!isSimulated) assertReachableByGuests(directory)
  takeOver(directory)
  const isThrownAway = isSimulated && flags.data === undefined
  const interruption = new AbortController()
  const { signal } = interruption
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) process.once(name, () => interruption.abort())
  let region: RunningRegion | undefined
  // Simulated guests are nothing but state.
  let isEmpty = isSimulated
  try {
    region = await startRegion({
      directory,
      port: flags.port,
      images: isSimulated ? [simulatedImage] : [await readDebianImage(say)],
      ...(isSimulated ? { fleet: { hosts, shape: flags.shape } } : {}),
      clock,
      random,
      say,
      signal,
    })
    announce(region, { directory, hosts })
    await watchUntilInterrupted(directory, region, signal)
    if (flags.clean && !isSimulated) {
      await deleteAllInstances(region.client, { clock, random, say })
      isEmpty = true
    }
  } catch (thrown) {
    // What an interruption breaks off is no news.
    if (region !== undefined || !signal.aborted) throw thrown
  } finally {
    say('Stopping the daemons')
    await stopDaemons(directory, clock)
    forgetProcess(directory, 'owner')
    if (region !== undefined && (isThrownAway || flags.clean) && isEmpty) {
      removeContext(contextName, region.context.server)
      await removeRegion(directory, clock)
    } else if (isThrownAway) {
      rmSync(directory.path, { recursive: true, force: true })
    } else if (flags.clean && !isSimulated) {
      say(
        `Not every instance is gone, so nothing is thrown away: "npm run dev -- --clean" tries again. State: ${directory.path}`,
      )
    } else if (!isSimulated) {
      say(`Guests keep running; "npm run dev" finds them again. State: ${directory.path}`)
    }
  }
}

function chooseDataDirectory({ data, simulate }: DevFlags): DataDirectory {
  if (data !== undefined) return dataDirectory(resolve(data))
  if (simulate !== undefined) return dataDirectory(realpathSync(mkdtempSync(join(tmpdir(), 'berth-sim-'))))
  // Not below root's home, which guests' users can't enter.
  if (process.getuid?.() === 0) return dataDirectory('/var/lib/berth-dev')
  return dataDirectory(join(homedir(), '.local/state/berth-dev'))
}

/** Daemons whose `berth dev` is gone are replaced; those of a running one are not. */
function takeOver(directory: DataDirectory): void {
  const owner = findProcess(directory, 'owner')
  if (owner !== undefined) {
    throw new CliError(
      `"berth dev" runs on ${directory.path} already, as process ${owner.pid}: stop it, or give another --data and --port.`,
      { exitCode: exitCodes.conflict },
    )
  }
  recordProcess(directory, 'owner', process.pid)
}

function announce(
  { context, networkUid }: RunningRegion,
  { directory, hosts }: { directory: DataDirectory; hosts: number | undefined },
): void {
  const path = writeContext(contextName, context)
  if (hosts !== undefined) {
    const { server: url, token } = context
    const line = { url, token, project: projectId, region: regionId, zone: zoneId, hosts }
    process.stdout.write(`${JSON.stringify(line)}\n`)
    return
  }
  process.stdout.write(`URL=${context.server}\nTOKEN=${context.token}\n`)
  say(`
The token is from an issuer on this machine, for development only. The command line knows both (${path}):
  npm run berth -- instances create first --type g1-small --ssh-key admin:@~/.ssh/id_ed25519.pub
  npm run berth -- instances list
Guests are reached from their network's namespace: ip netns exec ${namespaceOf(networkUid)} ssh admin@ADDRESS
Data: ${directory.path}. Ctrl-C stops the daemons.`)
}

async function watchUntilInterrupted(
  directory: DataDirectory,
  { daemons }: RunningRegion,
  signal: AbortSignal,
): Promise<void> {
  while (!signal.aborted) {
    assertRunning(directory, daemons)
    await clock.sleep(1000, signal).catch(() => {})
  }
}
