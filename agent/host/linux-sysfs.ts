import { open, readdir, readFile, readlink } from 'node:fs/promises'
import { basename, join } from 'node:path'
import type { Exec, Sysfs } from './ports.ts'

const writeTimeoutMs = 30_000

/** /sys and /proc below a root, which is / on a host and a recorded tree in tests. */
export function createLinuxSysfs(options: { exec: Exec; root?: string }): Sysfs {
  const { exec, root = '/' } = options
  const at = (path: string) => join(root, path)
  return {
    read: async (path) => {
      const text = await unlessAbsent(readFile(at(path), 'utf8'))
      return text?.trim()
    },
    list: async (path) => ((await unlessAbsent(readdir(at(path)))) ?? []).sort(),
    readLinkName: async (path) => {
      const target = await unlessAbsent(readlink(at(path)))
      return target === undefined ? undefined : basename(target)
    },
    readLink: (path) => unlessAbsent(readlink(at(path))),
    readBytes: (path, maxBytes) => unlessAbsent(readFirst(at(path), maxBytes)),
    write: async (path, value) => {
      // By a program of its own: a write to a driver can block for good, and then it must not be this process that does.
      await exec.run('tee', [at(path)], {
        ...{ stdin: value, timeoutMs: writeTimeoutMs, queue: 'device-writes' },
      })
    },
  }
}

async function readFirst(path: string, maxBytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const { buffer, bytesRead } = await file.read(new Uint8Array(maxBytes), 0, maxBytes, 0)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

/** The kernel's ways of saying that there is no such thing: an attribute that can't be read is one. */
async function unlessAbsent<Value>(reading: Promise<Value>): Promise<Value | undefined> {
  try {
    return await reading
  } catch (thrown) {
    const code = (thrown as NodeJS.ErrnoException).code ?? ''
    if (['ENOENT', 'ENOTDIR', 'EINVAL', 'ENODEV', 'EIO', 'ENXIO', 'ESRCH'].includes(code)) return undefined
    throw thrown
  }
}
