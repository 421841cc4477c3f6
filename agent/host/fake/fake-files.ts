import type { FileInfo, FileOwner, Files, WriteOptions } from '../ports.ts'

interface FakeEntry {
  kind: FileInfo['kind']
  content: Uint8Array
  /** Of a sparse or simulated file: what its size is, where no content is kept. */
  sizeBytes: number
  uid: number
  gid: number
  mode: number
  modifiedMs: number
  inode: number
}

/**
 * A file system in memory, as strict as the real one: no file without its directory, no reading of a directory, a
 * full disk refuses writes. Programs of the fake host write here too.
 */
export class FakeFiles implements Files {
  readonly #entries = new Map<string, FakeEntry>([['/', directoryEntry(0o755)]])
  readonly #totalBytes: number
  readonly #nowMs: () => number
  #lastInode = 0

  constructor(options: { totalBytes: number; nowMs: () => number }) {
    this.#totalBytes = options.totalBytes
    this.#nowMs = options.nowMs
  }

  async read(path: string): Promise<Uint8Array | undefined> {
    const entry = this.#entries.get(path)
    if (entry?.kind === 'directory') throw fault('EISDIR', path)
    return entry?.content
  }

  async readRange(path: string, startByte: number, lengthBytes: number): Promise<Uint8Array> {
    const content = await this.read(path)
    if (content === undefined) throw fault('ENOENT', path)
    return content.slice(startByte, startByte + lengthBytes)
  }

  async writeAtomic(path: string, content: Uint8Array | string, options: WriteOptions = {}): Promise<void> {
    const bytes = typeof content === 'string' ? new TextEncoder().encode(content) : content.slice()
    this.place(path, {
      content: bytes,
      sizeBytes: bytes.length,
      uid: options.owner?.uid ?? 0,
      gid: options.owner?.gid ?? 0,
      mode: options.mode ?? 0o600,
      inode: this.#newInode(),
    })
  }

  async createExclusive(path: string, content: string): Promise<boolean> {
    if (this.#entries.has(path)) return false
    this.place(path, { content: new TextEncoder().encode(content) })
    return true
  }

  async append(path: string, content: Uint8Array): Promise<void> {
    const before = (await this.read(path)) ?? new Uint8Array()
    this.place(path, { content: Buffer.concat([before, content]) })
  }

  async makeDirectory(path: string, options: { mode?: number; owner?: FileOwner } = {}): Promise<void> {
    for (const parent of parentsOf(path)) {
      if (!this.#entries.has(parent)) this.#entries.set(parent, directoryEntry(0o711))
    }
    const entry = this.#entries.get(path) ?? directoryEntry(0o711)
    if (entry.kind !== 'directory') throw fault('ENOTDIR', path)
    entry.mode = options.mode ?? entry.mode
    entry.uid = options.owner?.uid ?? entry.uid
    entry.gid = options.owner?.gid ?? entry.gid
    this.#entries.set(path, entry)
  }

  async list(path: string): Promise<readonly string[]> {
    const prefix = path === '/' ? '/' : `${path}/`
    const names = [...this.#entries.keys()]
      .filter((known) => known.startsWith(prefix) && known !== '/')
      .map((known) => known.slice(prefix.length))
      .filter((name) => !name.includes('/'))
    return names.sort()
  }

  async stat(path: string): Promise<FileInfo | undefined> {
    const entry = this.#entries.get(path)
    if (!entry) return undefined
    const { content: _, ...info } = entry
    return info
  }

  async rename(from: string, to: string): Promise<void> {
    this.#existing(from)
    this.#requireParent(to)
    for (const [path, entry] of [...this.#entries]) {
      if (path !== from && !path.startsWith(`${from}/`)) continue
      this.#entries.delete(path)
      this.#entries.set(`${to}${path.slice(from.length)}`, entry)
    }
  }

  async changeOwner(path: string, owner: FileOwner): Promise<void> {
    Object.assign(this.#existing(path), owner)
  }

  async changeMode(path: string, mode: number): Promise<void> {
    this.#existing(path).mode = mode
  }

  async remove(path: string): Promise<void> {
    for (const known of [...this.#entries.keys()]) {
      if (known === path || known.startsWith(`${path}/`)) this.#entries.delete(known)
    }
  }

  async freeBytes(): Promise<number> {
    let used = 0
    for (const entry of this.#entries.values()) used += entry.sizeBytes
    return Math.max(0, this.#totalBytes - used)
  }

  async totalBytes(): Promise<number> {
    return this.#totalBytes
  }

  /** For programs of the fake host: a file, a socket or a file of which only the size matters. */
  place(path: string, facts: Partial<FakeEntry> & { kind?: FileInfo['kind'] }): void {
    this.#requireParent(path)
    if (this.#entries.get(path)?.kind === 'directory') throw fault('EISDIR', path)
    const sizeBytes = facts.sizeBytes ?? facts.content?.length ?? 0
    const room = this.#totalBytes - this.#usedBytes() + (this.#entries.get(path)?.sizeBytes ?? 0)
    if (sizeBytes > room) throw fault('ENOSPC', path)
    this.#entries.set(path, {
      kind: 'file',
      content: new Uint8Array(),
      uid: 0,
      gid: 0,
      mode: 0o600,
      modifiedMs: this.#nowMs(),
      inode: this.#entries.get(path)?.inode ?? this.#newInode(),
      ...facts,
      sizeBytes,
    })
  }

  /** For programs of the fake host; undefined where there is no such file. */
  contentOf(path: string): Uint8Array | undefined {
    return this.#entries.get(path)?.content
  }

  /** Every path there is, for comparing a host before and after. */
  paths(): string[] {
    return [...this.#entries.keys()].sort()
  }

  #newInode(): number {
    this.#lastInode += 1
    return this.#lastInode
  }

  #usedBytes(): number {
    let used = 0
    for (const entry of this.#entries.values()) used += entry.sizeBytes
    return used
  }

  #existing(path: string): FakeEntry {
    const entry = this.#entries.get(path)
    if (!entry) throw fault('ENOENT', path)
    return entry
  }

  #requireParent(path: string): void {
    const parent = parentsOf(path).at(-1) ?? '/'
    const entry = this.#entries.get(parent)
    if (!entry) throw fault('ENOENT', parent)
    if (entry.kind !== 'directory') throw fault('ENOTDIR', parent)
  }
}

function directoryEntry(mode: number): FakeEntry {
  const nothing = { content: new Uint8Array(), sizeBytes: 0, modifiedMs: 0, inode: 0 }
  return { kind: 'directory', uid: 0, gid: 0, mode, ...nothing }
}

/** Outermost first: of /a/b/c that is /, /a, /a/b. */
function parentsOf(path: string): string[] {
  if (!path.startsWith('/')) throw fault('EINVAL', path)
  const parts = path.split('/').slice(1, -1)
  return ['/', ...parts.map((_, index) => `/${parts.slice(0, index + 1).join('/')}`)]
}

function fault(code: string, path: string): Error {
  return Object.assign(new Error(`${code}: ${path}`), { code })
}
