import { type ControlReply, type KeeperStatus, parseControlRequest } from '../../metadata/control-protocol.ts'
import type { FakeDaemon } from './fake-exec.ts'
import type { FakeFiles } from './fake-files.ts'
import type { FakeNetwork } from './fake-network.ts'
import type { FakeProcesses } from './fake-processes.ts'
import type { FakeSockets } from './fake-sockets.ts'

/** The metadata service of a fake host: the real control protocol over a model that listens in namespaces that exist. */
export function metadataKeeperDaemon(options: {
  files: FakeFiles
  network: FakeNetwork
  processes: FakeProcesses
  sockets: FakeSockets
}): FakeDaemon {
  const { files, network, processes, sockets } = options
  return (args) => {
    const program = args.find((arg) => !arg.startsWith('--')) ?? ''
    if (!/\/metadata\/main\.[jt]s$/.test(program)) throw new Error(`The fake host can't start ${program}.`)
    const control = args[args.indexOf('--control') + 1] ?? ''
    const listening = new Map<string, string>()
    const end = () => {
      sockets.unlisten(control)
      void files.remove(control)
      processes.end(keeper.identity.pid)
    }
    const keeper = processes.begin('metadata keeper', (signal) => {
      if (signal !== 'SIGHUP') end()
    })
    files.place(control, { kind: 'socket' })
    sockets.listen(control, {
      onConnect: (peer) => ({
        onClose: () => {},
        onLine: (line) => {
          const reply = answer(line, listening, network)
          peer.send(JSON.stringify(reply))
          if (parseControlRequest(line)?.verb === 'end') setImmediate(end)
        },
      }),
    })
    return keeper.identity.pid
  }
}

function answer(line: string, listening: Map<string, string>, network: FakeNetwork): ControlReply {
  const request = parseControlRequest(line)
  if (!request) throw new Error(`The fake metadata keeper was sent ${line}`)
  switch (request.verb) {
    case 'listen':
      if (!network.namespaces().includes(request.namespace)) {
        return { id: request.id, ok: false, message: `there is no namespace ${request.namespace}` }
      }
      listening.set(request.networkUid, request.namespace)
      return { id: request.id, ok: true }
    case 'stop':
      listening.delete(request.networkUid)
      return { id: request.id, ok: true }
    case 'status':
      return { id: request.id, ok: true, status: statusOf(listening) }
    case 'end':
      return { id: request.id, ok: true }
  }
}

function statusOf(listening: ReadonlyMap<string, string>): KeeperStatus {
  return {
    workerPid: 1,
    networks: [...listening].map(([networkUid, namespace]) => ({ networkUid, namespace, isServing: true })),
  }
}
