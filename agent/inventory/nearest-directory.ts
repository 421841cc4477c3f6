import type { Files } from '../host/ports.ts'

/** The directory itself or, before the agent has made it, the nearest one above. */
export async function nearestDirectory(files: Files, path: string): Promise<string> {
  const parts = path.split('/').filter((part) => part !== '')
  for (let depth = parts.length; depth > 0; depth -= 1) {
    const directory = `/${parts.slice(0, depth).join('/')}`
    if ((await files.stat(directory)) !== undefined) return directory
  }
  return '/'
}
