// The agent's end of the metadata service: starts it where it doesn't run, tells it which networks to answer, and puts
// guests' documents where it reads them. Documents are files, so the service needs no agent to go on.
// It never talks to guests.
import type { Clock } from '../../../lib/clock.ts'
import { describeCauses, type Logger } from '../../../lib/log.ts'
import type { Exec, Files, Processes, Sockets } from '../../host/ports.ts'
import { type AgentDirectories, metadataDirectory } from '../../plan/paths.ts'
import { createKeeperProcess } from './keeper-process.ts'
import { metadataUser, readableByWorker } from './metadata-user.ts'
import type { MetadataDriver } from './port.ts'

export interface MetadataDriverOptions {
  readonly exec: Exec
  readonly sockets: Sockets
  readonly files: Files
  readonly processes: Processes
  readonly directories: AgentDirectories
  readonly clock: Clock
  readonly log: Logger
}

export interface LinuxMetadataDriver extends MetadataDriver {
  /** Ends the service on this host, for good: guests get no answer any more. */
  endService(): Promise<void>
  /** Lets go of the service, which goes on. */
  disconnect(): void
}

const firstWaitMs = 1000
const longestWaitMs = 60_000

export function createMetadataDriver(options: MetadataDriverOptions): LinuxMetadataDriver {
  const { files, directories, clock } = options
  const log = options.log.child({ component: 'metadata-driver' })
  const keeper = createKeeperProcess({ ...options, log, user: metadataUser, onLost: () => relisten() })
  /** What must be listened on, should the keeper be lost. */
  const namespaces = new Map<string, string>()
  const directoryOf = (networkUid: string) => `${metadataDirectory(directories)}/${networkUid}`
  const fileOf = (networkUid: string, address: string) => `${directoryOf(networkUid)}/${address}.json`

  /** Of these, those that nobody has been heard to answer for. */
  const unheard = new Set<string>()
  let isTrying = false

  const relisten = () => {
    log.error({}, 'The metadata keeper is gone; it is started again.')
    for (const networkUid of namespaces.keys()) unheard.add(networkUid)
    // A keeper that ends as soon as it starts must not be started without end at full speed.
    void keepTrying(firstWaitMs)
  }

  const keepTrying = async (beginWithMs: number) => {
    if (isTrying) return
    isTrying = true
    for (
      let waitMs = beginWithMs;
      unheard.size > 0;
      waitMs = Math.min(2 * waitMs || firstWaitMs, longestWaitMs)
    ) {
      await clock.sleep(waitMs)
      for (const networkUid of [...unheard]) await listenAgain(networkUid)
    }
    isTrying = false
  }

  const listenAgain = async (networkUid: string) => {
    // It may be lost again while it answers.
    unheard.delete(networkUid)
    const namespace = namespaces.get(networkUid)
    if (namespace === undefined) return
    try {
      await keeper.request({ verb: 'listen', networkUid, namespace })
    } catch (thrown) {
      const problem = describeCauses(thrown)
      log.error({ networkUid, problem }, 'Guests get no metadata yet; it is tried again.')
      unheard.add(networkUid)
    }
  }

  return {
    ensureListening: async (networkUid, namespace) => {
      namespaces.set(networkUid, namespace)
      await keeper.request({ verb: 'listen', networkUid, namespace })
    },

    listenSoon: (networkUid, namespace) => {
      namespaces.set(networkUid, namespace)
      unheard.add(networkUid)
      void keepTrying(0)
    },

    stopListening: async (networkUid) => {
      namespaces.delete(networkUid)
      if (await keeper.isRunning()) await keeper.request({ verb: 'stop', networkUid })
      await files.remove(directoryOf(networkUid))
    },

    publish: async (networkUid, ipv4Address, document) => {
      await files.makeDirectory(directoryOf(networkUid), { mode: 0o750, owner: readableByWorker })
      await files.writeAtomic(fileOf(networkUid, ipv4Address), JSON.stringify(document), {
        mode: 0o640,
        owner: readableByWorker,
        // Guests end with the host's power, and whoever starts them again publishes first.
        durable: false,
      })
    },

    withdraw: (networkUid, ipv4Address) => files.remove(fileOf(networkUid, ipv4Address)),

    endService: async () => {
      namespaces.clear()
      await keeper.end()
    },

    disconnect: () => {
      namespaces.clear()
      keeper.disconnect()
    },
  }
}
