// The agent of a host: node agent/main.ts --config FILE; with a command, one look at the host. The only place that constructs.
import { systemClock } from '../lib/clock.ts'
import { ConfigError, readConfigFile, readSecretFile } from '../lib/config.ts'
import { createLogger, describeCauses, type Logger } from '../lib/log.ts'
import { systemRandom } from '../lib/random.ts'
import { tellServiceManager } from '../lib/service-manager.ts'
import { startAgent } from './agent.ts'
import { describeTroubles } from './commands/doctor.ts'
import { describeInventory } from './commands/inventory.ts'
import { createAgentProgram } from './commands/program.ts'
import { defaultSettingsFile, readInventorySettings } from './commands/settings.ts'
import { AgentSettings, findSettingProblems } from './config.ts'
import { createLinuxHost } from './host/linux-host.ts'
import type { Host } from './host/ports.ts'
import type { HostFactsOptions } from './inventory/host-facts.ts'
import { readMachine } from './inventory/machine.ts'

/**
 * Of what goes on for longer, such as a write that hangs in the kernel, the journal has all that the next agent needs.
 */
const closingPatienceMs = 5000

/** Two short programs each time that something has changed, however many guests there are. */
const repairIntervalMs = 1000
/** A directory; twelve times as seldom some hundred files. */
const factsIntervalMs = 5000

async function runAgent(config = defaultSettingsFile): Promise<void> {
  const settings = readConfigFile(AgentSettings, config)
  const problems = findSettingProblems(settings)
  if (problems.length > 0) throw new ConfigError(problems.join('; '))
  const log = createLogger({ level: settings.logLevel, fields: { hostId: settings.hostId } })
  const host = createLinuxHost({ clock: systemClock })
  await openTunDevice(host, log)
  const { token, tokenFile, tls } = settings.scheduler
  const secret = token ?? (tokenFile === undefined ? undefined : readSecretFile(tokenFile))
  if (secret === undefined) throw new Error('Settings need scheduler.token or scheduler.tokenFile.')
  const agent = await startAgent({
    settings,
    host,
    machine: readMachine,
    token: secret,
    ...(tls === undefined ? {} : { authority: readSecretFile(tls.authorityFile) }),
    clock: systemClock,
    random: systemRandom,
    log,
    ownPid: process.pid,
    repairIntervalMs,
    factsIntervalMs,
  })
  log.info({ scheduler: settings.scheduler.address }, 'The agent is ready.')
  const stop = () => {
    const patience = systemClock.sleep(closingPatienceMs).then(() => {
      log.warn({ closingPatienceMs }, 'Something is still under way: the next agent goes on with it.')
    })
    Promise.race([agent.close(), patience]).then(
      () => process.exit(0),
      (thrown: unknown) => {
        log.error({ err: thrown }, 'The agent did not end well; guests are not affected.')
        process.exit(1)
      },
    )
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
  await tellServiceManager({ clock: systemClock, log })
}

/**
 * Guests' QEMU opens its tap as the guest's user. The device lets any user attach only to taps that are his; udev's own
 * rule therefore opens it to all, and where no udev runs the agent does the same.
 */
async function openTunDevice(host: Host, log: Logger): Promise<void> {
  const device = await host.files.stat('/dev/net/tun')
  if (!device) {
    throw new Error('/dev/net/tun is missing: load the kernel module tun, or give this machine the device.')
  }
  if ((device.mode & 0o006) === 0o006) return
  await host.files.changeMode('/dev/net/tun', 0o666)
  log.info(
    { formerMode: device.mode.toString(8) },
    '/dev/net/tun has been opened to all users, as udev does.',
  )
}

/** Calls for this host's facts what is shown of them, and ends the programs that were asked. */
async function lookAtHost<Result>(
  config: string | undefined,
  look: (options: HostFactsOptions) => Promise<Result>,
): Promise<Result> {
  const host = createLinuxHost({ clock: systemClock })
  try {
    const settings = await readInventorySettings(host.files, config)
    return await look({ ...host, machine: readMachine, settings })
  } finally {
    await host.exec.close()
  }
}

const program = createAgentProgram({
  run: ({ config }) => runAgent(config),
  inventory: async (flags) => {
    process.stdout.write(await lookAtHost(flags.config, (options) => describeInventory(options, flags)))
  },
  doctor: async (flags) => {
    const report = await lookAtHost(flags.config, (options) => describeTroubles(options, flags))
    process.stdout.write(report.text)
    process.exitCode = report.isHealthy ? 0 : 1
  },
})

program.parseAsync().catch((thrown: unknown) => {
  process.stderr.write(`berth-agent: ${describeCauses(thrown)}\n`)
  process.exit(1)
})
