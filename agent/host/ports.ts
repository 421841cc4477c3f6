// The lowest ports of the agent: programs, files, sysfs, processes, sockets. Everything above takes these and
// nothing else from the machine; the Linux implementations and the strict fakes live beside this file.
// A port does what it is told and decides nothing.

export interface ExecOptions {
  /** Written to standard input, then closed. */
  readonly stdin?: string
  /** After this the program is killed and ExecError has kind `timeout`. Default 30,000. */
  readonly timeoutMs?: number
  /** Exit codes that are not an error. Default [0]. */
  readonly okCodes?: readonly number[]
  readonly signal?: AbortSignal
  /** Of what may last: nobody in the usual queue waits for it. */
  readonly queue?: 'device-writes' | 'scrubs'
}

export interface ExecResult {
  readonly code: number
  readonly stdout: string
  readonly stderr: string
}

/** The only way this daemon starts a program. Arguments are a list; there is no shell. LC_ALL is C. */
export interface Exec {
  /** @throws ExecError */
  run(file: string, args: readonly string[], options?: ExecOptions): Promise<ExecResult>
  /**
   * Starts a program in a session of its own that outlives this one, its output appended to a file (mode 0o600).
   * Resolves with its pid once it has begun. @throws ExecError if it can't begin.
   */
  start(file: string, args: readonly string[], options: { logPath: string }): Promise<number>
  /**
   * Starts a program that goes on telling until it is stopped, which the result does. It ends with this process.
   * `onEnd` is called once when it ends by itself, or can't be started.
   */
  follow(
    file: string,
    args: readonly string[],
    listeners: { onOutput: () => void; onEnd: (how: string) => void },
  ): () => void
}

/** A program did not do its work: which, how it ended, and the end of what it said. */
export class ExecError extends Error {
  override readonly name = 'ExecError'
  readonly kind: 'exit' | 'signal' | 'timeout' | 'not-found'
  readonly file: string
  readonly args: readonly string[]
  readonly code: number | undefined
  readonly stderr: string

  constructor(facts: {
    kind: ExecError['kind']
    file: string
    args: readonly string[]
    code?: number
    stderr?: string
    how: string
  }) {
    const said = facts.stderr?.trim().slice(-1000)
    super(`${facts.file} ${facts.how}${said ? `: ${said}` : ''}`)
    this.kind = facts.kind
    this.file = facts.file
    this.args = facts.args
    this.code = facts.code
    this.stderr = facts.stderr ?? ''
  }
}

export interface FileOwner {
  readonly uid: number
  readonly gid: number
}

export interface WriteOptions {
  /** Default 0o600. */
  readonly mode?: number
  readonly owner?: FileOwner
  /** Default true: the file and its directory are synced before the promise resolves. */
  readonly durable?: boolean
}

export interface FileInfo {
  readonly kind: 'file' | 'directory' | 'socket' | 'other'
  readonly sizeBytes: number
  readonly uid: number
  readonly gid: number
  readonly mode: number
  readonly modifiedMs: number
  /** The file itself, whatever it is called later. */
  readonly inode: number
}

/** The file system below the agent's own directories. Paths are absolute. */
export interface Files {
  /** undefined where there is no such file. */
  read(path: string): Promise<Uint8Array | undefined>
  /** A range; shorter at the end of the file. */
  readRange(path: string, startByte: number, lengthBytes: number): Promise<Uint8Array>
  /** Writes beside, syncs and renames: a reader sees the old or the new content, nothing between. */
  writeAtomic(path: string, content: Uint8Array | string, options?: WriteOptions): Promise<void>
  /** false where there is such a file already: of two who try, one succeeds. */
  createExclusive(path: string, content: string): Promise<boolean>
  /** Adds to the end of a file (made with mode 0o600 where there is none). Not synced. */
  append(path: string, content: Uint8Array): Promise<void>
  /** Makes the directory and its missing parents (mode 0o711 for those). */
  makeDirectory(path: string, options?: { mode?: number; owner?: FileOwner }): Promise<void>
  /** Names in it, sorted; empty where there is none. */
  list(path: string): Promise<readonly string[]>
  /** undefined where there is nothing. Follows no link. */
  stat(path: string): Promise<FileInfo | undefined>
  rename(from: string, to: string): Promise<void>
  changeOwner(path: string, owner: FileOwner): Promise<void>
  changeMode(path: string, mode: number): Promise<void>
  /** Removes a file or a whole directory; nothing there is fine. */
  remove(path: string): Promise<void>
  /** Bytes free for an unprivileged user on the file system of the path. */
  freeBytes(path: string): Promise<number>
  totalBytes(path: string): Promise<number>
}

/** /sys and /proc below a root that tests replace. Paths are relative to it: 'sys/bus/pci/devices'. */
export interface Sysfs {
  /** Trimmed; undefined where there is no such attribute. */
  read(path: string): Promise<string | undefined>
  list(path: string): Promise<readonly string[]>
  /** The last component of where a link points; undefined where there is no link. */
  readLinkName(path: string): Promise<string | undefined>
  /** Where a link points, as it is written; undefined where there is no link. */
  readLink(path: string): Promise<string | undefined>
  /** At most so many from the beginning; undefined where there is no such attribute. */
  readBytes(path: string, maxBytes: number): Promise<Uint8Array | undefined>
  write(path: string, value: string): Promise<void>
}

/** A pid and the start time that makes it unique until the next boot. */
export interface ProcessIdentity {
  readonly pid: number
  readonly startTimeTicks: bigint
}

export interface Processes {
  /** undefined where no such process lives. A zombie counts as dead once none of its threads holds anything any more. */
  identify(pid: number): Promise<ProcessIdentity | undefined>
  isAlive(identity: ProcessIdentity): Promise<boolean>
  /** Sends the signal only if the pid is still this process. false where it is gone. */
  signal(identity: ProcessIdentity, signal: 'SIGTERM' | 'SIGKILL' | 'SIGHUP'): Promise<boolean>
  /** Resolves true once it is gone, false when the time is over first. */
  waitGone(identity: ProcessIdentity, timeoutMs: number): Promise<boolean>
  /** Of this boot of the kernel. */
  bootId(): Promise<string>
}

/** A connection to a unix socket that carries lines of JSON: QMP, and the metadata keeper's control. */
export interface LineSocket {
  /** One, or several with line feeds between them in one piece. */
  send(lines: string): void
  /** One line at a time. */
  onLine(listener: (line: string) => void): void
  /** Once, with the error if there was one. */
  onClose(listener: (error: Error | undefined) => void): void
  close(): void
}

/** A connection to a unix socket that carries bytes both ways, neither faster than the other end takes them. */
export interface ByteSocket {
  /** Resolves once the other end takes more, or will never. */
  write(bytes: Uint8Array): Promise<void>
  /** The next bytes come once the listener's promise has resolved. */
  onBytes(listener: (bytes: Uint8Array) => Promise<void>): void
  /** Once, after the last bytes. */
  onClose(listener: () => void): void
  /** Tells the other end that nothing more is written, which then closes in its turn; what is on its way still comes. */
  end(): void
  /** At once, with all that is on its way. */
  close(): void
}

/** A unix socket that waits for the one connection that it takes. */
export interface OneConnection {
  readonly connection: Promise<ByteSocket>
  /** Waits no more; a connection that has come is not touched. */
  close(): void
}

export interface Sockets {
  /** @throws if nothing listens there. */
  connect(path: string, options?: { timeoutMs?: number }): Promise<LineSocket>
  /**
   * Listens for one connection, of whoever can reach the path: the directory decides who that is. The path goes with the
   * first that comes. @throws if there is something at the path.
   */
  listenOnce(path: string): Promise<OneConnection>
}

/** A program on a terminal of its own, as one wants that serves a person. It ends with this process. */
export interface Terminal {
  write(bytes: Uint8Array): void
  /** What nobody listens to is dropped. */
  onBytes(listener: (bytes: Uint8Array) => void): void
  /** Once. */
  onEnd(listener: () => void): void
  close(): void
}

export interface Terminals {
  /** Resolves once the program takes its input key by key. @throws with its last words if it ends before. */
  open(file: string, args: readonly string[]): Promise<Terminal>
}

export interface DownloadProgress {
  readonly doneBytes: number
  /** 0 where the source doesn't say. */
  readonly totalBytes: number
}

/** Brings the bytes of a file://, http:// or https:// URL to a local file, hashing on the way. */
export interface Downloads {
  /**
   * The file is written and synced at `path` (mode 0o600); nothing is renamed and nothing is verified here.
   * @throws DownloadError
   */
  fetch(options: {
    url: string
    path: string
    maxBytes: number
    signal?: AbortSignal
    onProgress?: (progress: DownloadProgress) => void
  }): Promise<{ sha256: string; sizeBytes: number }>
}

/** Why bytes did not come: kind is machine-readable, the message a sentence. */
export class DownloadError extends Error {
  override readonly name = 'DownloadError'
  readonly kind: 'not-found' | 'unreachable' | 'refused' | 'too-large' | 'disk-full' | 'unsupported'

  constructor(kind: DownloadError['kind'], message: string, options?: ErrorOptions) {
    super(message, options)
    this.kind = kind
  }
}

/** All doors of one host. */
export interface Host {
  readonly exec: Exec
  readonly files: Files
  readonly sysfs: Sysfs
  readonly processes: Processes
  readonly sockets: Sockets
  readonly terminals: Terminals
  readonly downloads: Downloads
}
