// The simulated fleet: node agent/fleet.ts --config FILE. Many agents in one process, each the real one over a host that
// is a model at the lowest ports, each with a session of its own. Nothing of the agent is written twice for it.
import { parseArgs } from 'node:util'
import { Type } from 'typebox'
import { systemClock } from '../lib/clock.ts'
import { readConfigFile } from '../lib/config.ts'
import { createLogger, describeCauses } from '../lib/log.ts'
import { seededRandom, systemRandom } from '../lib/random.ts'
import { resourceIdPattern } from '../proto/ids.ts'
import { type Agent, startAgent } from './agent.ts'
import { createFakeHost } from './host/fake/fake-host.ts'
import { parseShape } from './host/fake/shape.ts'

const closed = { additionalProperties: false } as const

const FleetSettings = Type.Object(
  {
    hosts: Type.Integer({ minimum: 1, maximum: 10_000 }),
    /** COUNTxTYPE, such as 8xnvidia-h100-80gb, with +nvswitch where a board joins them; empty for hosts without GPUs. */
    shape: Type.String({ default: '' }),
    zone: Type.String({ pattern: resourceIdPattern }),
    logLevel: Type.Enum(['debug', 'info', 'warn', 'error'], { default: 'error' }),
    scheduler: Type.Object({ address: Type.String(), token: Type.String({ minLength: 16 }) }, closed),
    directories: Type.Object({ state: Type.String() }, closed),
  },
  closed,
)

/** A few at a time: each start registers a host, and a thousand at once would only wait for one another. */
const startsAtOnce = 50

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' } } })
  if (values.config === undefined) throw new Error('usage: fleet.ts --config FILE')
  const settings = readConfigFile(FleetSettings, values.config)
  const shape = parseShape(settings.shape)
  const log = createLogger({ level: settings.logLevel })
  const agents: Agent[] = []

  const start = async (index: number) => {
    const hostId = `sim-${String(index + 1).padStart(4, '0')}`
    const seeded = seededRandom(hostId)
    const host = createFakeHost({ name: hostId, shape, bootId: seeded.uuid(), nowMs: systemClock.nowMs })
    agents.push(
      await startAgent({
        settings: {
          hostId,
          zone: settings.zone,
          logLevel: settings.logLevel,
          scheduler: settings.scheduler,
          directories: { state: '/state', run: '/run/berth' },
          uplinks: [],
          accelerator: 'kvm',
          hypervisor: 'qemu',
          qemuProgram: 'qemu-system-x86_64',
          ...(shape.fabric ? { fabricManager: { program: '/usr/bin/fmpm' } } : {}),
        },
        host,
        machine: host.machine,
        token: settings.scheduler.token,
        clock: systemClock,
        random: systemRandom,
        log: log.child({ hostId }),
        ownPid: 1,
      }),
    )
  }

  for (let first = 0; first < settings.hosts; first += startsAtOnce) {
    const count = Math.min(startsAtOnce, settings.hosts - first)
    await Promise.all(Array.from({ length: count }, (_, offset) => start(first + offset)))
  }
  log.info({ hosts: agents.length }, 'The fleet is up.')
  const stop = () => {
    void Promise.all(agents.map((agent) => agent.close())).then(() => process.exit(0))
  }
  process.once('SIGTERM', stop)
  process.once('SIGINT', stop)
}

main().catch((thrown: unknown) => {
  process.stderr.write(`berth-fleet: ${describeCauses(thrown)}\n`)
  process.exit(1)
})
