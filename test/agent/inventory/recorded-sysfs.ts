import { readdir, readFile, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Sysfs } from '../../../agent/host/ports.ts'

const trees = join(import.meta.dirname, '../../fixtures/sysfs')

/** One of test/fixtures/sysfs, which can be read but not written. */
export function recordedSysfs(tree: string): Sysfs {
  const absentAsUndefined = (thrown: NodeJS.ErrnoException) => {
    if (thrown.code === 'ENOENT') return undefined
    throw thrown
  }
  return {
    read: async (path) => (await readFile(join(trees, tree, path), 'utf8').catch(absentAsUndefined))?.trim(),
    list: async (path) => ((await readdir(join(trees, tree, path)).catch(absentAsUndefined)) ?? []).sort(),
    readLinkName: async (path) => {
      const target = await readlink(join(trees, tree, path)).catch(absentAsUndefined)
      return target === undefined ? undefined : basename(target)
    },
    readLink: (path) => readlink(join(trees, tree, path)).catch(absentAsUndefined),
    readBytes: async (path, maxBytes) =>
      (await readFile(join(trees, tree, path)).catch(absentAsUndefined))?.subarray(0, maxBytes),
    write: async (path) => {
      throw new Error(`A recorded host can't be changed: ${path}`)
    },
  }
}
