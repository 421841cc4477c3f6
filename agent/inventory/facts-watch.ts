// Owns whether what the scheduler was told of this machine still holds. In: the facts as they are read anew, and time. Out:
// facts that are news, to whoever listens. It reports and never decides, and starts no program: an agent that has nothing to
// do costs next to nothing.
import { equals } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import { type HostFacts, HostFactsSchema, type PciDevice } from '../../proto/gen/berth/agent/v1/host_pb.ts'
import type { Sysfs } from '../host/ports.ts'

export interface FactsWatch {
  /** The newest, for somebody who is told of everything from now on. */
  take(): HostFacts
  /** The result ends it. */
  onNews(listener: (facts: HostFacts) => void): () => void
  close(): void
}

/** Everything is read at each so many looks at the bus, however little has changed there. */
const looksForEverything = 12

export async function watchFacts(options: {
  readonly read: () => Promise<HostFacts>
  /** Adds what somebody else looks after, as it is at this moment. */
  readonly complete?: (facts: HostFacts) => HostFacts
  readonly sysfs: Sysfs
  readonly clock: Clock
  readonly log: Logger
  /** How often the bus is looked at for devices that come and go; never where absent. */
  readonly lookIntervalMs: number | undefined
}): Promise<FactsWatch> {
  const { read, complete = (facts) => facts, sysfs, clock, log, lookIntervalMs } = options
  const listeners = new Set<(facts: HostFacts) => void>()
  let newest = await read()
  let told = complete(newest)
  let bus = await readBus(sysfs)
  let looks = 0
  let isLooking = false
  warnOfNew([], newest)

  function warnOfNew(before: HostFacts['warnings'], { warnings }: HostFacts): void {
    const known = new Set(before.map(({ code }) => code))
    for (const { code, message } of warnings) if (!known.has(code)) log.warn({ code }, message)
  }

  async function look(): Promise<void> {
    looks += 1
    const busNow = await readBus(sysfs)
    if (busNow === bus && looks % looksForEverything !== 0) return
    const found = await read()
    bus = busNow
    warnOfNew(newest.warnings, found)
    newest = found
    const now = complete(found)
    // Who is not there to be told takes it later.
    if (listeners.size === 0 || isAsTold(told, now)) return
    told = now
    log.info({ devices: now.devices.length }, 'This host is not as it was: the scheduler is told.')
    for (const listener of listeners) listener(now)
  }

  const stop =
    lookIntervalMs === undefined
      ? () => {}
      : clock.every(lookIntervalMs, () => {
          if (isLooking) return
          isLooking = true
          look()
            .catch((err: unknown) => log.error({ err }, 'The host could not be looked at.'))
            .finally(() => {
              isLooking = false
            })
        })
  return {
    take: () => {
      told = complete(newest)
      return told
    },
    onNews: (listener) => {
      listeners.add(listener)
      return () => listeners.delete(listener)
    },
    close: stop,
  }
}

/** One directory: what a glance costs. */
const readBus = async (sysfs: Sysfs) => (await sysfs.list('sys/bus/pci/devices')).join(' ')

/** But for what goes up and down by itself. */
const isAsTold = (told: HostFacts, now: HostFacts) =>
  equals(HostFactsSchema, withoutMotion(told), withoutMotion(now))

const withoutMotion = (facts: HostFacts): HostFacts => ({
  ...facts,
  devices: facts.devices.map(withoutLinkSpeed),
  otherDevices: facts.otherDevices.map(withoutLinkSpeed),
  cells: facts.cells.map((cell) => ({
    ...cell,
    hugepages: cell.hugepages.map((pool) => ({ ...pool, freePages: 0n })),
  })),
})

/** A device that idles slows its link down. */
const withoutLinkSpeed = (device: PciDevice): PciDevice =>
  device.link === undefined ? device : { ...device, link: { ...device.link, currentSpeed: '' } }
