// `npm run demo`: a real guest on this machine, from the HTTP call to the ssh login. In: flags. Out: what happens, line
// by line, and a region left up with a guest in it, or, with --once, a machine as it was. What it starts it finds again
// by its data directory; it touches nothing else.
import { existsSync } from 'node:fs'
import { resolve } from 'node:path'
import { parseArgs } from 'node:util'
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { removeContext, writeContext } from '../context/context-file.ts'
import { deleteAllInstances, removeRegion } from '../dev/clean-up.ts'
import { stopDaemons } from '../dev/daemon.ts'
import {
  assertReachableByGuests,
  type DataDirectory,
  dataDirectory,
  ensureDataDirectory,
  readRegionIdentity,
} from '../dev/data-directory.ts'
import { namespaceOf } from '../dev/host-names.ts'
import { assertRealGuestsPossible } from '../dev/preflight.ts'
import { type RunningRegion, startRegion } from '../dev/region.ts'
import { CliError, exitCodes, usageError } from '../exit-codes.ts'
import { readDebianImage } from './debian-image.ts'
import { type Login, makeSshKey, sshCommand } from './guest-login.ts'
import { createDemoInstance, demoInstanceId, demoUser } from './instance.ts'
import { findLeftOver } from './left-over.ts'
import { createReporter, type Reporter } from './reporter.ts'
import { showGuest } from './show-guest.ts'

const usage = `Usage: npm run demo -- [--once] [--json] [--stop] [--port PORT] [--data DIR]
  --once  clean up afterwards; exit code 0 only if all went well and nothing is left
  --json  each event as a line of JSON
  --stop  delete the guest of an earlier demo and everything around it`

interface DemoFlags {
  readonly once: boolean
  readonly json: boolean
  readonly stop: boolean
  readonly port: number
  readonly directory: DataDirectory
}

const clock = systemClock
const random = systemRandom
const contextName = 'demo'

let reporter: Reporter | undefined
process.once('SIGINT', () => {
  process.stderr.write('\nInterrupted. To remove what was started: npm run demo -- --stop\n')
  process.exit(exitCodes.interrupted)
})
try {
  const flags = parseFlags(process.argv.slice(2))
  reporter = createReporter({ isJson: flags.json, clock, write: (text) => process.stdout.write(text) })
  await runDemo(flags, reporter)
} catch (thrown) {
  process.exitCode = reportFailure(thrown)
}

async function runDemo(flags: DemoFlags, events: Reporter): Promise<void> {
  const { directory } = flags
  const say = (line: string) => events.event('note', line)
  if (flags.stop) {
    if (!existsSync(directory.path)) return say(`There is no demo in ${directory.path}.`)
    return cleanUp(await start(flags, events), flags, events)
  }
  const region = await start(flags, events)
  const failures: unknown[] = []
  await tryOut(region, flags, events).catch((thrown: unknown) => failures.push(thrown))
  if (flags.once) await cleanUp(region, flags, events).catch((thrown: unknown) => failures.push(thrown))
  // The last one is thrown and so told; what came before it is told here.
  const last = failures.pop()
  for (const earlier of failures) reportFailure(earlier)
  if (last !== undefined) throw last as Error
  events.event('done', flags.once ? 'The demo went well, and nothing is left of it.' : 'The demo went well.')
}

/** Everything up to a region that answers. An earlier demo's guests go: this one begins as the first did. */
async function start(flags: DemoFlags, events: Reporter): Promise<RunningRegion> {
  const { directory } = flags
  const say = (line: string) => events.event('note', line)
  assertRealGuestsPossible()
  ensureDataDirectory(directory)
  assertReachableByGuests(directory)
  say('Looking for the image of the guest; the first time it is built, which takes a minute or two')
  // Of apt's thousand lines only what comes at a person's pace.
  const image = await readDebianImage(atMostEvery(10_000, say))
  events.event('image', 'The image of a Debian 12 with cloud-init is there')
  const region = await startRegion({
    directory,
    port: flags.port,
    images: [image],
    clock,
    random,
    say,
  }).catch(async (thrown: unknown) => {
    await stopDaemons(directory, clock)
    throw thrown
  })
  events.event('region', `Scheduler and agent run; the API is ${region.context.server}`, {
    url: region.context.server,
  })
  writeContext(contextName, region.context)
  if (!flags.stop) await deleteAllInstances(region.client, { clock, random, say })
  return region
}

async function tryOut(region: RunningRegion, flags: DemoFlags, events: Reporter): Promise<void> {
  const keyPath = flags.directory.file('admin-key')
  const publicKey = makeSshKey(keyPath)
  const { address } = await createDemoInstance(region, { publicKey, clock, random, reporter: events })
  const login: Login = { namespace: namespaceOf(region.networkUid), user: demoUser, address, keyPath }
  await showGuest(login, { clock, reporter: events })
  if (!flags.once) events.event('next', renderNextSteps(login), { ssh: sshCommand(login) })
}

async function cleanUp(region: RunningRegion, flags: DemoFlags, events: Reporter): Promise<void> {
  const { directory } = flags
  const networkUid = readRegionIdentity(directory)?.networkUid ?? region.networkUid
  const instanceUids = (await region.client.listInstances()).map(({ uid }) => uid)
  const say = (line: string) => events.event('clean-up', line)
  await deleteAllInstances(region.client, { clock, random, say })
  await removeRegion(directory, clock)
  removeContext(contextName, region.context.server)
  const leftOver = await settleLeftOver({ directory, networkUid, instanceUids })
  if (leftOver.length > 0) {
    throw new CliError('Cleaning up left something behind:', { exitCode: exitCodes.trouble, lines: leftOver })
  }
  say('Guest, daemons, network and data are gone')
}

/** Processes that were told to end take a moment to do so. */
async function settleLeftOver(region: Parameters<typeof findLeftOver>[0]): Promise<string[]> {
  for (let attempt = 0; ; attempt += 1) {
    const leftOver = findLeftOver(region)
    if (leftOver.length === 0 || attempt === 20) return leftOver
    await clock.sleep(250)
  }
}

const renderNextSteps = (login: Login) => `
The guest stays up. To try next:
  ${sshCommand(login).join(' ')}
  npm run berth -- instances list
  npm run berth -- instances get ${demoInstanceId}
  npm run berth -- instances serial ${demoInstanceId} --follow
  npm run berth -- instances events ${demoInstanceId}
  npm run berth -- instances delete ${demoInstanceId} --wait
To stop and remove everything:
  npm run demo -- --stop
`

function parseFlags(args: string[]): DemoFlags {
  try {
    const { values } = parseArgs({
      args,
      options: {
        once: { type: 'boolean', default: false },
        json: { type: 'boolean', default: false },
        stop: { type: 'boolean', default: false },
        port: { type: 'string', default: '7710' },
        data: { type: 'string', default: '/var/lib/berth-demo' },
      },
    })
    const port = Number(values.port)
    if (!/^\d{1,5}$/.test(values.port) || port > 65_535) throw new Error(`--port ${values.port} is no port.`)
    return { ...values, port, directory: dataDirectory(resolve(values.data)) }
  } catch (thrown) {
    throw usageError(`${(thrown as Error).message}\n${usage}`)
  }
}

function atMostEvery(intervalMs: number, say: (line: string) => void): (line: string) => void {
  let saidMs = clock.monotonicMs()
  return (line) => {
    if (clock.monotonicMs() - saidMs < intervalMs) return
    saidMs = clock.monotonicMs()
    say(line)
  }
}

function reportFailure(thrown: unknown): number {
  const error =
    thrown instanceof CliError
      ? thrown
      : new CliError(thrown instanceof Error ? thrown.message : String(thrown), {
          exitCode: exitCodes.trouble,
          cause: thrown,
        })
  const text = [`The demo failed: ${error.message}`, ...error.lines].join('\n')
  if (reporter === undefined) process.stderr.write(`${text}\n`)
  else reporter.event('failed', text, { exitCode: error.exitCode })
  return error.exitCode
}
