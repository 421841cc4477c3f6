// Berth's side of sessions with the real store, and nothing else of the scheduler: session-server.ts SETTINGS. Asked, it
// delivers what is in the outbox of every host.
import { setTimeout as sleep } from 'node:timers/promises'
import Database from 'better-sqlite3'
import { systemClock } from '../../lib/clock.ts'
import { silentLogger } from '../../lib/log.ts'
import { systemRandom } from '../../lib/random.ts'
import { declaredResources } from '../../scheduler/catalogue/declared.ts'
import { readSettings } from '../../scheduler/config.ts'
import { openSqliteStore } from '../../scheduler/store/sqlite/sqlite-store.ts'
import { startAgentServer } from '../../scheduler/stream/agent-server.ts'
import { type Delivered, type ServerQuestion, startDelivering, usedBytes } from './questions.ts'

const settings = readSettings(process.argv[2] ?? '')
const store = await openSqliteStore({ path: settings.store.path, log: silentLogger })
await store.declareResources({ resources: declaredResources(settings), nowMs: systemClock.nowMs() })
const agents = await startAgentServer({
  ...{ host: '127.0.0.1', port: settings.agents.port, token: settings.agents.token ?? '' },
  ...{ store, identityIssuer: 'http://127.0.0.1:1/identity' },
  ...{ clock: systemClock, random: systemRandom, log: silentLogger },
  // Nothing is found without a nudge while the clock runs.
  pollIntervalMs: 600_000,
})
const database = new Database(settings.store.path, { readonly: true })
const findCommand = database.prepare('SELECT 1 FROM outbox LIMIT 1')

process.on('message', (question: ServerQuestion) => {
  if (question.ask === 'memory') process.send?.(usedBytes())
  else void deliver().then((delivered) => process.send?.(delivered))
})
// With whoever has started it.
process.on('disconnect', () => process.exit(0))
process.send?.(agents.port)

/** Until the store has the last acknowledgement. */
async function deliver(): Promise<Delivered> {
  const end = startDelivering()
  for (const { hostId } of agents.sessions()) agents.dispatch.nudge(hostId)
  while (findCommand.get() !== undefined) await sleep(10)
  return end()
}
