// The process that guests talk to. It gives up every privilege before it takes the first socket, reads documents, writes
// nothing but what guests put in files that were made for it, and ends with its keeper, so that the next keeper can open the sockets anew.
import type { Server } from 'node:http'
import { parseArgs } from 'node:util'
import { systemClock } from '../../lib/clock.ts'
import { createLogger } from '../../lib/log.ts'
import { systemRandom } from '../../lib/random.ts'
import { createAttributeStore } from './attribute-store.ts'
import { createDocumentFiles, readText } from './document-files.ts'
import { identityFileName, parseIdentityFile } from './identity-file.ts'
import { createMetadataServer } from './server.ts'

const { values } = parseArgs({
  options: { directory: { type: 'string' }, uid: { type: 'string' }, gid: { type: 'string' } },
})
const directory = values.directory ?? ''

dropPrivileges(Number(values.uid), Number(values.gid))
const log = createLogger({ level: 'info', fields: { component: 'metadata' } })
const attributes = createAttributeStore()
const servers = new Map<string, Server>()

process.on('message', (message, socket) => {
  const { verb, networkUid } = message as { verb: 'serve' | 'stop'; networkUid: string }
  close(networkUid)
  if (verb === 'stop') return
  const documents = createDocumentFiles(`${directory}/${networkUid}`, systemClock)
  const server = createMetadataServer({
    documents,
    readIdentity,
    attributes,
    clock: systemClock,
    random: systemRandom,
    log: log.child({ networkUid }),
  })
  servers.set(networkUid, server)
  server.listen(socket, () => process.send?.({ serving: networkUid }))
})
process.once('disconnect', () => process.exit(0))

async function readIdentity() {
  const text = await readText(`${directory}/${identityFileName}`)
  return text === undefined ? undefined : parseIdentityFile(text)
}

function close(networkUid: string): void {
  const server = servers.get(networkUid)
  servers.delete(networkUid)
  server?.close()
  server?.closeAllConnections()
}

/** By itself and not by whoever starts it: its code may lie where only root can read. */
function dropPrivileges(uid: number, gid: number): void {
  if (!(uid > 0) || !(gid > 0))
    throw new Error('The metadata worker needs --uid and --gid, neither of them root.')
  process.setgroups?.([])
  process.setgid?.(gid)
  process.setuid?.(uid)
  if (process.getuid?.() !== uid) throw new Error('The metadata worker could not give up its privileges.')
}
