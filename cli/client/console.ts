// One console of an instance as a connection. In: bytes to be typed. Out: what the guest writes, sentences of the server,
// and how it ended. Never touches a terminal.
import WebSocket from 'ws'
import { CliError, exitCodes } from '../exit-codes.ts'
import { apiErrorOf } from './api-error.ts'

export interface ConsoleListeners {
  /** With the offset of the byte that comes next. */
  readonly onBytes: (bytes: Uint8Array, next: bigint) => void
  readonly onNote: (sentence: string) => void
  readonly onClose: (end: ConsoleEnd) => void
}

export interface ConsoleEnd {
  /** Of RFC 6455. */
  readonly code: number
  readonly reason: string
}

export interface ConsoleConnection {
  send(bytes: Uint8Array): void
  /** Of what was sent and has not left yet. */
  readonly unsentBytes: number
  /** What the guest writes waits, until the server has had enough of that. */
  pause(): void
  resume(): void
  close(): void
}

/** For the server's part of the close. */
const lastWordsMs = 1000

/** Of the offset before the output of a message. */
const offsetBytes = 8

/**
 * The console's output from a byte offset on, of what is still kept. @throws ApiError with the server's own words, or a
 * CliError where there is no answer.
 */
export function connectConsole(
  { url, token, start }: { url: string; token: string; start: bigint },
  { onBytes, onNote, onClose }: ConsoleListeners,
): Promise<ConsoleConnection> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(`${url.replace(/^http/, 'ws')}?start=${start}`, {
      headers: { authorization: `Bearer ${token}` },
      handshakeTimeout: 30_000,
      perMessageDeflate: false,
    })
    socket.on('unexpected-response', (_request, response) => {
      const parts: Buffer[] = []
      response.on('data', (part: Buffer) => parts.push(part))
      response.on('end', () =>
        reject(apiErrorOf(response.statusCode ?? 0, parseJson(Buffer.concat(parts).toString()))),
      )
      response.on('error', reject)
    })
    socket.on('error', (cause) => {
      const message = `The server ${new URL(url).origin} does not answer: ${cause.message}.`
      reject(new CliError(message, { exitCode: exitCodes.trouble, cause }))
    })
    socket.on('message', (data, isBinary) => {
      // Of a socket with the default binaryType.
      const bytes = data as Buffer
      if (!isBinary) {
        onNote(bytes.toString())
        return
      }
      const output = bytes.subarray(offsetBytes)
      onBytes(output, bytes.readBigUInt64BE() + BigInt(output.length))
    })
    socket.on('open', () => {
      socket.on('close', (code, reason) => onClose({ code, reason: reason.toString() }))
      resolve({
        send: (bytes) => {
          if (socket.readyState === socket.OPEN) socket.send(bytes)
        },
        get unsentBytes() {
          return socket.readyState === socket.OPEN ? socket.bufferedAmount : 0
        },
        pause: () => socket.pause(),
        resume: () => socket.resume(),
        close: () => {
          socket.close(1000)
          setTimeout(() => socket.terminate(), lastWordsMs).unref()
        },
      })
    })
  })
}

function parseJson(text: string): unknown {
  try {
    return JSON.parse(text)
  } catch {
    return undefined
  }
}
