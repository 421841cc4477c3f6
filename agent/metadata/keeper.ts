import { statSync } from 'node:fs'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { ListeningSocket, NodeChild, NodeChildren } from '../host/node-children.ts'
import type { KeeperStatus } from './control-protocol.ts'

export interface Keeper {
  /** Resolves once the worker answers on the metadata address in that namespace. */
  listen(networkUid: string, namespace: string): Promise<void>
  stop(networkUid: string): Promise<void>
  status(): KeeperStatus
  end(): void
}

interface HeldNetwork {
  readonly namespace: string
  /** Of the namespace the socket is in: a new one of the same name has another. */
  readonly namespaceInode: number
  readonly socket: ListeningSocket
  isServing: boolean
  onServing: () => void
}

export interface KeeperOptions {
  readonly children: NodeChildren
  readonly clock: Clock
  readonly log: Logger
  readonly workerArgs: readonly string[]
}

/** A worker that is only now starting needs long on an emulated host, whose guests wait rather than fail. */
const handOverTimeoutMs = 60_000
/** A worker that dies younger than this is replaced only after a pause. */
const youngMs = 1000
const workerPauseMs = 500

/**
 * Holds one listening socket for each network, so that they survive the worker: what guests ask while there is none
 * waits in the socket's queue for the next.
 */
export function createKeeper(options: KeeperOptions): Keeper {
  const { children, clock, log } = options
  const networks = new Map<string, HeldNetwork>()
  let worker: NodeChild | undefined
  let isEnding = false
  let lastChange: Promise<unknown> = Promise.resolve()

  const startWorker = () => {
    const bornMs = clock.monotonicMs()
    const started = children.fork('metadata-worker', options.workerArgs)
    worker = started
    started.onMessage((message) => {
      const network = networks.get(parseServing(message) ?? '')
      if (!network) return
      network.isServing = true
      network.onServing()
    })
    started.onEnd((how) => {
      worker = undefined
      for (const network of networks.values()) network.isServing = false
      if (isEnding) return
      log.error({ workerPid: started.pid, how }, 'The worker has ended; another takes the sockets.')
      const isYoung = clock.monotonicMs() - bornMs < youngMs
      clock.after(isYoung ? workerPauseMs : 0, startWorker)
    })
    for (const [networkUid, network] of networks) started.send({ verb: 'serve', networkUid }, network.socket)
  }

  const release = (networkUid: string) => {
    networks.get(networkUid)?.socket.close()
    networks.delete(networkUid)
    worker?.send({ verb: 'stop', networkUid })
  }

  const listen = async (networkUid: string, namespace: string) => {
    const namespaceInode = statSync(`/run/netns/${namespace}`).ino
    const known = networks.get(networkUid)
    if (known?.namespaceInode === namespaceInode && known.isServing) return
    if (known && known.namespaceInode !== namespaceInode) release(networkUid)
    const network =
      networks.get(networkUid) ??
      ({
        namespace,
        namespaceInode,
        socket: await openSocket(options, namespace),
        isServing: false,
        onServing: () => {},
      } satisfies HeldNetwork)
    networks.set(networkUid, network)
    const isServing = new Promise<void>((resolve) => {
      network.onServing = resolve
    })
    worker?.send({ verb: 'serve', networkUid }, network.socket)
    await withDeadline(clock, isServing, `The worker has not taken the socket of network ${networkUid}.`)
    log.info({ networkUid, namespace }, 'Guests of a network are answered.')
  }

  /** Changes come one after the other: two for one network would open its socket twice. */
  const inTurn = (change: () => Promise<void>) => {
    const run = lastChange.then(change, change)
    lastChange = run
    return run
  }

  startWorker()
  return {
    listen: (networkUid, namespace) => inTurn(() => listen(networkUid, namespace)),
    stop: (networkUid) => inTurn(async () => release(networkUid)),
    status: () => ({
      workerPid: worker?.pid,
      networks: [...networks].map(([networkUid, { namespace, isServing }]) => ({
        networkUid,
        namespace,
        isServing,
      })),
    }),
    end: () => {
      isEnding = true
      worker?.kill()
    },
  }
}

/** A child that lives for this alone opens the socket in the namespace; the keeper itself stays where it is. */
function openSocket(options: KeeperOptions, namespace: string): Promise<ListeningSocket> {
  const child = options.children.forkInNamespace(namespace, 'metadata-socket', [])
  const opened = new Promise<ListeningSocket>((resolve, reject) => {
    child.onMessage((_message, socket) => {
      if (socket) resolve(socket)
    })
    child.onEnd((how) => reject(new Error(`The metadata address can't be opened in ${namespace} (${how}).`)))
  })
  return withDeadline(
    options.clock,
    opened,
    `Opening the metadata address in ${namespace} took too long.`,
  ).catch((thrown: unknown) => {
    child.kill()
    throw thrown
  })
}

async function withDeadline<Value>(clock: Clock, work: Promise<Value>, sentence: string): Promise<Value> {
  let cancel = () => {}
  const late = new Promise<never>((_resolve, reject) => {
    cancel = clock.after(handOverTimeoutMs, () => reject(new Error(sentence)))
  })
  try {
    return await Promise.race([work, late])
  } finally {
    cancel()
  }
}

function parseServing(message: unknown): string | undefined {
  if (typeof message !== 'object' || message === null || !('serving' in message)) return undefined
  return typeof message.serving === 'string' ? message.serving : undefined
}
