import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { connect, createServer, type Server, type Socket } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLinuxSockets } from '../../../agent/host/linux-sockets.ts'
import type { LineSocket } from '../../../agent/host/ports.ts'

const sockets = createLinuxSockets()
let folder: string
let server: Server

beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'berth-sockets-'))
})

afterEach(() => {
  server.close()
  rmSync(folder, { recursive: true })
})

async function connectTo(serve: (peer: Socket) => void): Promise<LineSocket> {
  const path = join(folder, 'socket')
  server = createServer((peer) => {
    peer.on('error', () => {})
    serve(peer)
  })
  await new Promise<void>((resolve) => server.listen(path, resolve))
  return sockets.connect(path)
}

const closeOf = (socket: LineSocket) => new Promise<Error | undefined>((resolve) => socket.onClose(resolve))

it('takes lines apart wherever they are cut, also inside a character', async () => {
  const bytes = Buffer.from('one\ntwö\n')
  const socket = await connectTo((peer) => {
    peer.write(bytes.subarray(0, 7))
    setImmediate(() => peer.end(bytes.subarray(7)))
  })
  const lines: string[] = []
  socket.onLine((line) => lines.push(line))
  expect(await closeOf(socket)).toBeUndefined()
  expect(lines).toEqual(['one', 'twö'])
})

it('keeps what came before anybody listened', async () => {
  const socket = await connectTo((peer) => peer.write('early\n'))
  await new Promise((resolve) => setImmediate(resolve))
  expect(await new Promise((resolve) => socket.onLine(resolve))).toBe('early')
  socket.close()
})

it('hangs up on a line without end', async () => {
  const socket = await connectTo((peer) => {
    const more = (failure?: Error | null) => {
      if (!failure) peer.write(Buffer.alloc(1 << 20, 'x'), more)
    }
    more()
  })
  socket.onLine(() => {})
  expect(await closeOf(socket)).toMatchObject({ message: expect.stringContaining('line of more than') })
})

it('sends whole lines, and says nothing of it when nobody is there any more', async () => {
  let got = ''
  const socket = await connectTo((peer) => {
    peer.on('data', (data) => {
      got += String(data)
      peer.destroy()
    })
  })
  socket.onLine(() => {})
  socket.send('{"a":1}')
  await closeOf(socket)
  socket.send('too late')
  expect(got).toBe('{"a":1}\n')
})

it('can’t connect where nobody listens', async () => {
  server = createServer()
  await expect(sockets.connect(join(folder, 'nobody'))).rejects.toMatchObject({ code: 'ENOENT' })
})

it('waits for one connection that carries bytes, and closes after the last of them', async () => {
  const path = join(folder, 'once')
  const { connection } = await sockets.listenOnce(path)
  const peer = connect(path)
  const socket = await connection
  const another = connect(path)
  const refused = new Promise((resolve) => another.once('close', resolve))
  another.on('error', () => {})
  const seen: string[] = []
  let isBusy = false
  socket.onBytes(async (bytes) => {
    expect(isBusy).toBe(false)
    isBusy = true
    await new Promise((resolve) => setImmediate(resolve))
    seen.push(Buffer.from(bytes).toString())
    isBusy = false
  })
  const closed = new Promise<void>((resolve) => socket.onClose(resolve))
  const heard = new Promise((resolve) => peer.once('data', resolve))
  await socket.write(Buffer.from('to the guest'))
  expect(String(await heard)).toBe('to the guest')
  peer.write('one ')
  peer.end('two')
  await closed
  expect(seen.join('')).toBe('one two')
  await refused
  expect(existsSync(path)).toBe(false)
  // To nobody: what is written then is gone, and nobody waits.
  await socket.write(Buffer.alloc(1024 * 1024))
})

it('waits no more where it is told so', async () => {
  const path = join(folder, 'once')
  const waiting = await sockets.listenOnce(path)
  await expect(sockets.listenOnce(path)).rejects.toMatchObject({ code: 'EADDRINUSE' })
  waiting.close()
  await expect.poll(() => existsSync(path)).toBe(false)
})
