import type { Files } from './host/ports.ts'
import type { AgentDirectories } from './plan/paths.ts'

/**
 * Makes the agent's directories. Guests run as users of their own and must pass through everything above their files.
 * @throws with the directory that is in the way.
 */
export async function makeDirectories(files: Files, directories: AgentDirectories): Promise<void> {
  for (const directory of [directories.state, directories.run]) {
    await files.makeDirectory(directory, { mode: 0o711 })
    const trouble = await findClosedDirectory(files, directory)
    if (trouble !== undefined) throw new Error(trouble)
  }
}

/** A sentence where guests' users can't pass through to a directory, as far as it is there. */
export async function findClosedDirectory(files: Files, directory: string): Promise<string | undefined> {
  const parts = directory.split('/').filter(Boolean)
  for (const depth of parts.keys()) {
    const above = `/${parts.slice(0, depth + 1).join('/')}`
    const info = await files.stat(above)
    if (info?.kind !== 'directory' || (info.mode & 0o001) === 0o001) continue
    return `${above} is closed to other users (mode ${info.mode.toString(8)}), and guests' users must pass through it to ${directory}: chmod o+x ${above}, or choose another directory.`
  }
  return undefined
}
