// One console of an instance as a connection. In: bytes to be typed. Out: what the guest writes, sentences of the server,
// and how it ended. Never touches a terminal.
import WebSocket from 'ws'
import { CliError, exitCodes } from '../exit-codes.ts'
import { apiErrorOf } from './api-error.ts'

export interface ConsoleListeners {
  readonly onBytes: (bytes: Uint8Array) => void
  readonly onNote: (sentence: string) => void
  readonly onClose: (end: { readonly code: number; readonly reason: string }) => void
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

/** @throws ApiError with the server's own words, or a CliError where there is no answer. */
export function connectConsole(
  { url, token }: { url: string; token: string },
  { onBytes, onNote, onClose }: ConsoleListeners,
): Promise<ConsoleConnection> {
  return new Promise((resolve, reject) => {
    const socket = new WebSocket(url.replace(/^http/, 'ws'), {
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
      if (isBinary) onBytes(bytes)
      else onNote(bytes.toString())
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
