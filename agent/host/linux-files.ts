import {
  appendFile,
  chmod,
  chown,
  link,
  lstat,
  mkdir,
  open,
  readdir,
  readFile,
  rename,
  rm,
  statfs,
  writeFile,
} from 'node:fs/promises'
import { basename, dirname, join } from 'node:path'
import type { FileInfo, Files, WriteOptions } from './ports.ts'

/** The host's own file system. */
export function createLinuxFiles(): Files {
  let drafts = 0
  // A name that neither another write of this process nor a leftover of an earlier one has.
  const draftOf = (path: string) => {
    drafts += 1
    return join(dirname(path), `.${basename(path)}.${process.pid}-${drafts}`)
  }
  return {
    read: (path) => unlessMissing(readFile(path), undefined),
    readRange,
    writeAtomic: (path, content, options = {}) =>
      writeAtomic({ path, content, options, draft: draftOf(path) }),
    createExclusive: (path, content) => createExclusive({ path, content, draft: draftOf(path) }),
    append: (path, content) => appendFile(path, content, { mode: 0o600 }),
    makeDirectory: async (path, options = {}) => {
      await mkdir(dirname(path), { recursive: true, mode: 0o711 })
      await mkdir(path, { recursive: true, mode: 0o711 })
      // mkdir leaves alone what is there and obeys the umask.
      if (options.mode !== undefined) await chmod(path, options.mode)
      if (options.owner) await chown(path, options.owner.uid, options.owner.gid)
    },
    list: async (path) => (await unlessMissing(readdir(path), [])).sort(),
    stat: async (path) => {
      const info = await unlessMissing(lstat(path), undefined)
      return (
        info && {
          kind: kindOf(info),
          sizeBytes: info.size,
          uid: info.uid,
          gid: info.gid,
          mode: info.mode & 0o7777,
          modifiedMs: info.mtimeMs,
          inode: info.ino,
        }
      )
    },
    rename: async (from, to) => {
      await rename(from, to)
      await syncPath(dirname(to))
    },
    changeOwner: (path, owner) => chown(path, owner.uid, owner.gid),
    changeMode: (path, mode) => chmod(path, mode),
    remove: (path) => rm(path, { recursive: true, force: true }),
    freeBytes: async (path) => {
      const { bavail, bsize } = await statfs(path)
      return bavail * bsize
    },
    totalBytes: async (path) => {
      const { blocks, bsize } = await statfs(path)
      return blocks * bsize
    },
  }
}

async function readRange(path: string, startByte: number, lengthBytes: number): Promise<Uint8Array> {
  const file = await open(path, 'r')
  try {
    const buffer = Buffer.alloc(lengthBytes)
    const { bytesRead } = await file.read(buffer, 0, lengthBytes, startByte)
    return buffer.subarray(0, bytesRead)
  } finally {
    await file.close()
  }
}

async function writeAtomic(write: {
  path: string
  content: Uint8Array | string
  options: WriteOptions
  draft: string
}): Promise<void> {
  const { path, content, draft } = write
  const { mode = 0o600, owner, durable = true } = write.options
  // What a process of this pid left behind before the last reboot.
  await rm(draft, { force: true })
  try {
    const file = await open(draft, 'wx', 0o600)
    try {
      await file.writeFile(content)
      if (owner) await file.chown(owner.uid, owner.gid)
      await file.chmod(mode)
      if (durable) await file.sync()
    } finally {
      await file.close()
    }
    await rename(draft, path)
  } catch (thrown) {
    await rm(draft, { force: true })
    throw thrown
  }
  if (durable) await syncPath(dirname(path))
}

/** Linked into place: who finds the file finds its content too. */
async function createExclusive(write: { path: string; content: string; draft: string }): Promise<boolean> {
  const { path, content, draft } = write
  await writeFile(draft, content, { mode: 0o600 })
  try {
    await link(draft, path)
    return true
  } catch (thrown) {
    if (codeOf(thrown) === 'EEXIST') return false
    throw thrown
  } finally {
    await rm(draft, { force: true })
  }
}

async function syncPath(path: string): Promise<void> {
  const file = await open(path, 'r')
  try {
    await file.sync()
  } finally {
    await file.close()
  }
}

async function unlessMissing<Value, Missing>(
  reading: Promise<Value>,
  missing: Missing,
): Promise<Value | Missing> {
  try {
    return await reading
  } catch (thrown) {
    if (codeOf(thrown) === 'ENOENT') return missing
    throw thrown
  }
}

const codeOf = (thrown: unknown) => (thrown as NodeJS.ErrnoException).code

function kindOf(info: { isFile(): boolean; isDirectory(): boolean; isSocket(): boolean }): FileInfo['kind'] {
  if (info.isFile()) return 'file'
  if (info.isDirectory()) return 'directory'
  return info.isSocket() ? 'socket' : 'other'
}
