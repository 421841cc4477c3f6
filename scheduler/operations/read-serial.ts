import type { ProjectId } from '../../proto/ids.ts'
import { refuse } from '../errors.ts'
import { done, type Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'
import { readInstance } from './read-instance.ts'

export interface ReadSerial {
  readonly project: ProjectId
  readonly idOrUid: string
  readonly port: number
  /** A byte offset since the first boot; negative: the last so many bytes. */
  readonly start: bigint
}

export interface SerialOutput {
  readonly instanceId: string
  readonly contents: string
  readonly start: bigint
  readonly next: bigint
}

// The host's ring holds as much: one answer can carry all there is.
const limitBytes = 1024 * 1024

export async function readSerial(request: ReadSerial, ports: OperationPorts): Promise<Outcome<SerialOutput>> {
  const found = await readInstance(request, ports)
  if (found.kind === 'refused') return found
  const { id, uid, hostId, holds } = found.value
  const reading = await ports.queries.readSerial({
    hostId,
    instanceUid: uid,
    port: request.port,
    start: request.start,
    limitBytes,
  })
  if (reading.kind === 'unavailable') {
    ports.log.info({ instanceUid: uid, hostId, reason: reading.reason }, reading.message)
    // What holds nothing on its host any more will never say anything again.
    return refuse(holds === 'nothing' ? 'SERIAL_NOT_KEPT' : 'SERIAL_UNAVAILABLE', { id })
  }
  const whole = reading.bytes.subarray(0, wholeCharactersLength(reading.bytes))
  const cut = BigInt(reading.bytes.length - whole.length)
  const contents = new TextDecoder().decode(whole)
  return done({ instanceId: id, contents, start: reading.start, next: reading.next - cut })
}

/** Without a UTF-8 character at the end whose last bytes have not come yet: the next read gets all of it. */
export function wholeCharactersLength(bytes: Uint8Array): number {
  for (let back = 1; back <= Math.min(3, bytes.length); back += 1) {
    const byte = bytes[bytes.length - back] ?? 0
    if (byte < 0x80) return bytes.length
    if (byte >= 0xc0) {
      const wanted = byte >= 0xf0 ? 4 : byte >= 0xe0 ? 3 : 2
      return wanted > back ? bytes.length - back : bytes.length
    }
  }
  return bytes.length
}
