// Simulated agents, thousands in one process: each a gRPC session of its own on a connection of its own, which says Hello
// with the facts of a host with eight GPUs and acknowledges what it is told. Of an instance that is to go it reports that
// nothing is left. What they were told is kept for the process that started them.
import { type ChildProcess, fork } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'

export type AgentsQuestion =
  | { readonly ask: 'connect' }
  | { readonly ask: 'break' }
  /** Answered once as many instances have been told of since the last time. */
  | { readonly ask: 'told'; readonly count: number }
  /** Answered once as many are gone since the last time. */
  | { readonly ask: 'gone'; readonly count: number }

export interface AgentsAnswer {
  /** Of 'told': uid of each instance and the host that was told of it. */
  readonly told?: readonly (readonly [uid: string, hostId: string])[]
  /** From the first of the call to the last, in ms. */
  readonly tookMs: number
  /** Of the process since the answer before. */
  readonly processorMs: number
}

export interface AgentsProcess {
  readonly pid: number
  ask(question: AgentsQuestion): Promise<AgentsAnswer>
  close(): Promise<void>
}

/** The simulated ones at an address, unless another program takes their place. */
export function startAgents({
  program = fileURLToPath(new URL('./agents.ts', import.meta.url)),
  args,
}: {
  readonly program?: string
  readonly args: readonly string[]
}): AgentsProcess {
  const child: ChildProcess = fork(program, [...args])
  const ended = once(child, 'exit')
  const failed = ended.then(() => {
    throw new Error('The simulated agents have ended.')
  })
  failed.catch(() => {})
  return {
    pid: child.pid ?? 0,
    ask: async (question) => {
      child.send(question)
      const [answer] = (await Promise.race([once(child, 'message'), failed])) as [AgentsAnswer]
      return answer
    },
    close: async () => {
      child.kill()
      await ended
    },
  }
}
