import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Files, Processes } from '../host/ports.ts'
import type { AgentDirectories } from '../plan/paths.ts'

const holderSchema = Type.Object({
  pid: Type.Integer(),
  startTimeTicks: Type.String(),
  bootId: Type.String(),
})

export interface StateLock {
  release(): Promise<void>
}

const prefix = 'agent.lock.'

/**
 * One agent for each state directory: two would undo each other's work. A dead agent's lock is never removed to make
 * room, since two could do that to each other: the lock that follows it is made, which only one can, and then the old
 * ones go.
 * @throws with a sentence that names the process that has it.
 */
export async function acquireStateLock(options: {
  files: Files
  processes: Processes
  directories: AgentDirectories
  ownPid: number
}): Promise<StateLock> {
  const { files, processes, directories, ownPid } = options
  const pathOf = (turn: number) => `${directories.state}/${prefix}${turn}`
  await files.makeDirectory(directories.state)
  const own = await processes.identify(ownPid)
  const bootId = await processes.bootId()
  const content = JSON.stringify({ pid: ownPid, startTimeTicks: String(own?.startTimeTicks ?? 0n), bootId })

  const turns = async () =>
    (await files.list(directories.state)).flatMap((name) => {
      const turn = name.startsWith(prefix) ? Number(name.slice(prefix.length)) : 0
      return Number.isInteger(turn) && turn > 0 ? [turn] : []
    })
  const requireDead = async (turn: number) => {
    const holder = parseHolder(await files.read(pathOf(turn)))
    if (holder?.bootId !== bootId) return
    const identity = { pid: holder.pid, startTimeTicks: BigInt(holder.startTimeTicks) }
    if (!(await processes.isAlive(identity))) return
    throw new Error(
      `Another agent (process ${holder.pid}) works on ${directories.state}: stop it, or give this one a state directory of its own.`,
    )
  }

  for (let round = 0; round < 3; round += 1) {
    const before = await turns()
    for (const turn of before) await requireDead(turn)
    const ownTurn = Math.max(0, ...before) + 1
    if (!(await files.createExclusive(pathOf(ownTurn), content))) continue
    const release = () => files.remove(pathOf(ownTurn))
    try {
      // Who came in between is seen here, or sees this one: each is announced before it looks.
      for (const turn of await turns()) {
        if (turn === ownTurn) continue
        await requireDead(turn)
        await files.remove(pathOf(turn))
      }
    } catch (thrown) {
      await release()
      throw thrown
    }
    return { release }
  }
  throw new Error(`Another agent is taking ${directories.state} at this moment: start one agent only.`)
}

function parseHolder(content: Uint8Array | undefined) {
  if (!content) return undefined
  try {
    return Value.Parse(holderSchema, JSON.parse(new TextDecoder().decode(content)))
  } catch {
    return undefined
  }
}
