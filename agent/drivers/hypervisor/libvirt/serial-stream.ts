// What a guest has written to its serial port, as libvirt keeps it: a file that is put aside when it is full, and the oldest of
// those goes. Each byte is taken once: how far that is stands in a file, for it outlives the agent.
import type { Files } from '../../../host/ports.ts'
import type { InstancePaths } from '../../../plan/paths.ts'

interface Position {
  readonly inode: number
  readonly offsetBytes: number
}

interface Segment {
  readonly path: string
  readonly inode: number
  readonly sizeBytes: number
}

/** How many virtlogd may be set to put aside. */
const mostSegments = 16

/** The next bytes, at most so many. */
export async function takeSerial(
  files: Files,
  { serialStream, serialPosition }: Pick<InstancePaths, 'serialStream' | 'serialPosition'>,
  maxBytes: number,
): Promise<Uint8Array> {
  const position = parsePosition(await files.read(serialPosition))
  const parts: Uint8Array[] = []
  let leftBytes = maxBytes
  let reached = position
  for (const { path, inode, sizeBytes } of await listNew(files, serialStream, position)) {
    const offsetBytes = inode === position?.inode ? position.offsetBytes : 0
    const wantedBytes = Math.min(leftBytes, sizeBytes - offsetBytes)
    const part = wantedBytes > 0 ? await files.readRange(path, offsetBytes, wantedBytes) : new Uint8Array()
    // Put aside since it was looked for: it is read the next time.
    if ((await files.stat(path))?.inode !== inode) break
    parts.push(part)
    leftBytes -= part.length
    reached = { inode, offsetBytes: offsetBytes + part.length }
    if (leftBytes === 0) break
  }
  const bytes = Buffer.concat(parts)
  if (reached && (bytes.length > 0 || reached.inode !== position?.inode)) {
    await files.writeAtomic(serialPosition, JSON.stringify(reached), { durable: false })
  }
  return bytes
}

/** Oldest first, from the one on that has been reached; all that are left, where that one is gone. */
async function listNew(
  files: Files,
  path: string,
  position: Position | undefined,
): Promise<readonly Segment[]> {
  const segments: Segment[] = []
  for (let index = -1; index < mostSegments; index += 1) {
    const segment = index < 0 ? path : `${path}.${index}`
    const info = await files.stat(segment)
    if (!info) break
    segments.unshift({ path: segment, inode: info.inode, sizeBytes: info.sizeBytes })
    if (info.inode === position?.inode) break
  }
  return segments
}

function parsePosition(content: Uint8Array | undefined): Position | undefined {
  if (!content) return undefined
  try {
    const value: unknown = JSON.parse(new TextDecoder().decode(content))
    const { inode, offsetBytes } = value as Partial<Position>
    return typeof inode === 'number' && typeof offsetBytes === 'number' ? { inode, offsetBytes } : undefined
  } catch {
    return undefined
  }
}
