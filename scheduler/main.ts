// Puts the scheduler together: settings → store → agents' sessions → loops → HTTP; and takes it apart on a signal.
// Standard output gets one line of JSON that says where it listens; the log goes to standard error.

import { parseArgs } from 'node:util'
import { systemClock } from '../lib/clock.ts'
import { ConfigError, readSecretFile } from '../lib/config.ts'
import { createLogger, describeCauses, type Logger } from '../lib/log.ts'
import { type Random, systemRandom } from '../lib/random.ts'
import { tellServiceManager } from '../lib/service-manager.ts'
import { createTurns } from '../lib/turns.ts'
import { version } from '../lib/version.ts'
import { type ListenAt, startApiServer } from './api/server.ts'
import { createTokenVerifier } from './auth/verify-token.ts'
import { openCatalogue } from './catalogue/live-catalogue.ts'
import { identityIssuerOf, readSettings, type Settings } from './config.ts'
import { findInheritedSocket } from './inherited-socket.ts'
import { createChangeFeed } from './operations/change-feed.ts'
import { createIdentityKeys } from './operations/identity-keys.ts'
import type { OperationPorts } from './operations/ports.ts'
import { tellOverdue } from './reconcile/deadlines.ts'
import { startLoop } from './reconcile/loop.ts'
import { openBlobStore } from './store/blob-store.ts'
import { openSqliteStore } from './store/sqlite/sqlite-store.ts'
import { startAgentServer } from './stream/agent-server.ts'
import { openWaitingQueue } from './waiting/queue.ts'

const usage = 'Usage: scheduler/main.ts --config FILE | --version\n'
const deadlineCheckIntervalMs = 30_000

/** A write for each request's line takes a twentieth of what answers it. */
const logGatherMs = 50

async function main(): Promise<void> {
  const { values } = parseArgs({ options: { config: { type: 'string' }, version: { type: 'boolean' } } })
  if (values.version === true) {
    process.stdout.write(`${version}\n`)
    return
  }
  if (values.config === undefined) {
    process.stderr.write(usage)
    process.exit(2)
  }
  const settings = readSettings(values.config)
  const fields = { component: 'scheduler' }
  const log = createLogger({ level: settings.logLevel, fields, descriptor: 2, gatherMs: logGatherMs })
  const scheduler = await startScheduler(settings, log)
  process.stdout.write(`${JSON.stringify({ event: 'ready', ...scheduler.addresses })}\n`)

  let closing = false
  const stop = (signal: string) => {
    if (closing) return
    closing = true
    log.info({ signal }, 'Closing.')
    scheduler.close().then(
      () => process.exit(0),
      (thrown: unknown) => {
        log.error({ err: thrown }, 'Closing failed.')
        process.exit(1)
      },
    )
  }
  process.on('SIGTERM', stop)
  process.on('SIGINT', stop)
  await tellServiceManager({ clock: systemClock, log })
}

async function startScheduler(settings: Settings, log: Logger) {
  const clock = systemClock
  const random = systemRandom
  const store = await openSqliteStore({ path: settings.store.path, log })
  void store.failed.then((err) => {
    // Nothing can be promised any more; the service manager starts it anew.
    log.error({ err }, 'The store has ended: closing.')
    process.exit(1)
  })
  const catalogue = await openCatalogue({ store, settings, clock })
  const agents = await startAgentServer({
    host: settings.agents.host,
    port: settings.agents.port,
    token: readAgentToken(settings.agents),
    ...readTls(settings.agents),
    store,
    identityIssuer: identityIssuerOf(settings),
    clock,
    random,
    log,
  })
  const deadlines = startLoop({
    name: 'deadlines',
    intervalMs: deadlineCheckIntervalMs,
    work: () => tellOverdue({ store, isConnected: agents.isConnected, clock }),
    clock,
    log,
  })
  const { fleet, dispatch } = agents
  const waiting = await openWaitingQueue({ store, fleet, dispatch, clock, random, log })
  const feed = createChangeFeed({ store, clock })
  const api = await startApiServer({
    ...whereToListen(settings),
    ports: {
      store,
      fleet,
      waiting,
      feed,
      identity: createIdentityKeys({ store, issuer: identityIssuerOf(settings) }),
      turns: createTurns(),
      dispatch,
      queries: agents.queries,
      ...(await openUploads(settings, random)),
      catalogue,
      clock,
      random,
      log,
    },
    requestsPerMinute: settings.http.requestsPerMinute,
    verifier: createTokenVerifier({ settings: settings.auth, clock }),
    login: settings.auth,
  })
  return {
    addresses: { http: api.url, agents: agents.address },
    // Requests first, so that none is half answered; the store last, since everything writes to it.
    close: async () => {
      await api.close()
      feed.close()
      await deadlines.stop()
      await waiting.close()
      await agents.close()
      await store.close()
    },
  }
}

function whereToListen({ http }: Settings): ListenAt {
  const socket = findInheritedSocket(process.pid)
  return socket === undefined ? { host: http.host, port: http.port } : { socket }
}

async function openUploads(
  { imageStore }: Settings,
  random: Random,
): Promise<Pick<OperationPorts, 'uploads'>> {
  if (imageStore === undefined) return {}
  const { directory, url, limitGb } = imageStore
  const blobs = await openBlobStore({ directory, limitBytes: limitGb * 1024 ** 3, random })
  return { uploads: { blobs, url } }
}

function readAgentToken({ token, tokenFile }: Settings['agents']): string {
  if (tokenFile === undefined) return token ?? ''
  const read = readSecretFile(tokenFile)
  if (read.length >= 16) return read
  throw new ConfigError(`The agents' token in ${tokenFile} has fewer than 16 characters.`)
}

function readTls({ tls }: Settings['agents']): { tls?: { certificate: string; key: string } } {
  if (tls === undefined) return {}
  const { certificateFile, keyFile } = tls
  return { tls: { certificate: readSecretFile(certificateFile), key: readSecretFile(keyFile) } }
}

try {
  await main()
} catch (thrown) {
  process.stderr.write(`The scheduler can't start: ${describeCauses(thrown)}\n`)
  process.exit(1)
}
