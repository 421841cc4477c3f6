// The metadata service: what guests ask at 169.254.169.254. Two processes that outlive the agent.
// The keeper (this one, root) opens the sockets in the networks' namespaces and holds them; it parses nothing that
// guests send. The worker, which has no privilege, answers from documents that the agent has rendered to files.
// In: `listen`, `stop`, `status`, `end` on a unix socket that only root may open. It stays with no network left, so
// that the next one has no start to wait for, and ends when it is told to.
import { parseArgs } from 'node:util'
import { systemClock } from '../../lib/clock.ts'
import { createLogger } from '../../lib/log.ts'
import { nodeChildren } from '../host/node-children.ts'
import { listenForControl } from './control-server.ts'
import { createKeeper } from './keeper.ts'

const { values } = parseArgs({
  options: {
    /** Path of the control socket. */
    control: { type: 'string' },
    /** Where the agent puts documents: <networkUid>/<ipv4>.json */
    directory: { type: 'string' },
    /** Whom the worker becomes. */
    uid: { type: 'string' },
    gid: { type: 'string' },
  },
})
const { control, directory, uid, gid } = values
if (!control || !directory || !uid || !gid) {
  process.stderr.write('Usage: main --control SOCKET --directory DIRECTORY --uid UID --gid GID\n')
  process.exit(2)
}

const log = createLogger({ level: 'info', fields: { component: 'metadata-keeper' } })
const keeper = createKeeper({
  children: nodeChildren,
  clock: systemClock,
  log,
  workerArgs: ['--directory', directory, '--uid', uid, '--gid', gid],
})
const closeControl = await listenForControl({ path: control, keeper, onEnd: () => end() })
if (!closeControl) {
  log.info({ control }, 'Another keeper answers on the control socket: nothing to do.')
  process.exit(0)
}

function end(): void {
  keeper.end()
  closeControl?.()
  process.exit(0)
}
for (const signal of ['SIGTERM', 'SIGINT'] as const) process.once(signal, end)
