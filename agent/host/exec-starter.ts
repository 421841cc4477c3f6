import { type ExecAnswer, type ExecQuestion, nothingKnown } from './exec-messages.ts'
import { nodeChildren } from './node-children.ts'

/** The process that starts programs, seen from the agent. */
export interface ExecStarter {
  ask<Reply extends ExecAnswer>(request: ExecQuestion, signal?: AbortSignal): Promise<Reply>
  end(): void
}

/** Should its process end, whoever waits hears of it, and the next program has another. */
export function createExecStarter(onEnd: () => void): ExecStarter {
  const child = nodeChildren.fork('exec-worker', [])
  const waiting = new Map<number, (reply: ExecAnswer) => void>()
  let lastId = 0
  // Programs must not keep an agent alive that has nothing else to do.
  child.hold(false)
  const settle = (reply: ExecAnswer) => {
    waiting.get(reply.id)?.(reply)
    waiting.delete(reply.id)
    if (waiting.size === 0) child.hold(false)
  }
  child.onMessage((message) => settle(message as ExecAnswer))
  child.onEnd((how) => {
    onEnd()
    const failure = `the agent's process that starts programs has ended: ${how}`
    for (const id of [...waiting.keys()]) settle({ ...nothingKnown(id), pid: undefined, failure })
  })
  return {
    ask: <Reply extends ExecAnswer>(request: ExecQuestion, signal?: AbortSignal) =>
      new Promise<Reply>((resolve) => {
        lastId += 1
        const id = lastId
        const cancel = () => child.send({ cancel: id })
        child.hold(true)
        waiting.set(id, (reply) => {
          signal?.removeEventListener('abort', cancel)
          resolve(reply as Reply)
        })
        signal?.addEventListener('abort', cancel, { once: true })
        child.send({ ...request, id })
      }),
    end: () => child.kill(),
  }
}
