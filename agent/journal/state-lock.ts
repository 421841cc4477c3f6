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

/**
 * One agent for each state directory: two would undo each other's work. The lock of a dead agent is taken over.
 * @throws with a sentence that names the process that has it.
 */
export async function acquireStateLock(options: {
  files: Files
  processes: Processes
  directories: AgentDirectories
  ownPid: number
}): Promise<StateLock> {
  const { files, processes, directories, ownPid } = options
  const path = `${directories.state}/agent.lock`
  await files.makeDirectory(directories.state)
  const own = await processes.identify(ownPid)
  const bootId = await processes.bootId()
  const content = JSON.stringify({ pid: ownPid, startTimeTicks: String(own?.startTimeTicks ?? 0n), bootId })
  // A lock can go stale between the look and the removal, so that it may take more than one round.
  for (let round = 0; round < 3; round += 1) {
    if (await files.createExclusive(path, content)) return { release: () => files.remove(path) }
    const holder = parseHolder(await files.read(path))
    const isHeld =
      holder?.bootId === bootId &&
      (await processes.isAlive({ pid: holder.pid, startTimeTicks: BigInt(holder.startTimeTicks) }))
    if (isHeld) {
      throw new Error(
        `Another agent (process ${holder.pid}) works on ${directories.state}: stop it, or give this one a state directory of its own.`,
      )
    }
    await files.remove(path)
  }
  throw new Error(`Another agent is taking ${path} at this moment: start one agent only.`)
}

function parseHolder(content: Uint8Array | undefined) {
  if (!content) return undefined
  try {
    return Value.Parse(holderSchema, JSON.parse(new TextDecoder().decode(content)))
  } catch {
    return undefined
  }
}
