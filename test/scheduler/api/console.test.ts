// The console over real WebSockets; its host is what the test says.
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import WebSocket from 'ws'
import { InstanceObservationSchema, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { hostId } from '../../../proto/ids.ts'
import type { ConsoleListener } from '../../../scheduler/operations/ports.ts'
import { instancesPath, projectPath, type Region, startRegion } from './region.ts'

let region: Region
let guest: { listener: ConsoleListener | undefined; typed: string; opened: number; closed: number }
const open: WebSocket[] = []

beforeEach(async () => {
  region = await startRegion()
  guest = { listener: undefined, typed: '', opened: 0, closed: 0 }
  region.consoleOf.open = async (listener) => {
    guest.opened += 1
    guest.listener = listener
    return {
      kind: 'console',
      write: async (bytes) => {
        guest.typed += Buffer.from(bytes).toString()
      },
      close: () => {
        guest.closed += 1
      },
    }
  }
})
afterEach(async () => {
  for (const socket of open.splice(0)) socket.terminate()
  await region.close()
})

const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
const consolePath = `${instancesPath}/one/console`
const write = (text: string, start = 0n) => guest.listener?.onOutput(start, Buffer.from(text))

async function runningInstance() {
  const { body } = await region.call('POST', instancesPath, { body: { type, id: 'one' } })
  const observation = create(InstanceObservationSchema, {
    ...{ uid: body.uid as string, generation: 1, epoch: 1 },
    ...{ phase: InstancePhase.RUNNING, settled: true, reason: 'STARTED', message: 'The vCPUs run.' },
  })
  await region.store.applyObservation({ hostId: hostId('host-1'), observation, nowMs: 1 })
}

/** As an editor unless roles are given. */
async function look({
  roles = ['project-x9y8z7:editor'],
  protocols = [] as string[],
  token = '',
  query = '',
} = {}) {
  const authorization = `Bearer ${token === '' ? await region.issuer.tokenFor(...roles) : token}`
  const headers = protocols.length > 0 ? {} : { authorization }
  const socket = new WebSocket(`${region.url.replace('http', 'ws')}${consolePath}${query}`, protocols, {
    headers,
  })
  open.push(socket)
  const seen = { text: '', notes: [] as string[], close: undefined as unknown, refusal: undefined as unknown }
  socket.on('message', (data: Buffer, isBinary) => {
    if (isBinary) seen.text += data.toString()
    else seen.notes.push(data.toString())
  })
  socket.on('close', (code, reason) => {
    seen.close = [code, reason.toString()]
  })
  socket.on('error', () => {})
  await new Promise<void>((resolve) => {
    socket.once('open', resolve)
    socket.once('unexpected-response', (_request, response) => {
      let text = ''
      response.on('data', (part: Buffer) => {
        text += part.toString()
      })
      response.on('end', () => {
        seen.refusal = JSON.parse(text)
        resolve()
      })
    })
  })
  return { socket, seen }
}

describe('a console', () => {
  it('carries what the guest writes to all who look, history first, and what they type to the guest', async () => {
    await runningInstance()
    const first = await look()
    write('login: ')
    await expect.poll(() => first.seen.text).toBe('login: ')
    const second = await look()
    await expect.poll(() => second.seen.text).toBe('login: ')
    first.socket.send('root')
    second.socket.send(Buffer.from('\r'))
    await expect.poll(() => guest.typed).toBe('root\r')
    write('welcome', 7n)
    await expect.poll(() => [first.seen.text, second.seen.text]).toEqual(Array(2).fill('login: welcome'))
    expect(guest.opened).toBe(1)
    const { body } = await region.call('GET', consolePath)
    expect(body).toEqual({ selfLink: consolePath, viewers: 2, mayType: true })
    first.socket.close()
    second.socket.close()
    await expect.poll(() => guest.closed).toBe(1)
  })

  it('goes on from the offset that a viewer names, and tells the offset of all it sends', async () => {
    await runningInstance()
    const parts = (text: string) =>
      text
        .split('\0\0\0\0\0\0\0')
        .flatMap((part) => (part === '' ? [] : [[part.charCodeAt(0), part.slice(1)]]))
    const first = await look({ query: '?start=0' })
    write('0123456789', 90n)
    await expect.poll(() => parts(first.seen.text)).toEqual([[90, '0123456789']])
    const again = await look({ query: '?start=95' })
    const newest = await look({ query: '?start=102' })
    const early = await look({ query: '?start=80' })
    write('abcd', 100n)
    await expect.poll(() => parts(newest.seen.text)).toEqual([[102, 'cd']])
    expect(parts(again.seen.text)).toEqual([
      [95, '56789'],
      [100, 'abcd'],
    ])
    expect(parts(early.seen.text)).toEqual([
      [90, '0123456789'],
      [100, 'abcd'],
    ])
    expect(first.seen.notes).toEqual([])
    expect(early.seen.notes).toEqual([
      "10 bytes of the guest's output were left out: they are not kept any more.",
    ])
    expect((await look({ query: '?start=-1' })).seen.refusal).toMatchObject({ error: { code: 400 } })
  })

  it('is for looking only where a role is missing', async () => {
    await runningInstance()
    const roles = ['project-x9y8z7:viewer']
    const { socket, seen } = await look({ roles })
    write('secret?')
    await expect.poll(() => seen.text).toBe('secret?')
    socket.send('rm -rf /')
    socket.send('rm -rf /')
    await expect.poll(() => seen.notes).toEqual(['You may look, and not type: that takes the role editor.'])
    expect(guest.typed).toBe('')
    const token = await region.issuer.tokenFor(...roles)
    expect((await region.call('GET', consolePath, { token })).body).toMatchObject({ mayType: false })
  })

  it('takes the token as a subprotocol, and never gives it back', async () => {
    await runningInstance()
    const token = await region.issuer.tokenFor('project-x9y8z7:editor')
    const { socket } = await look({ protocols: ['console.berth', `bearer.${token}`] })
    expect(socket.protocol).toBe('console.berth')
    const { seen } = await look({ protocols: ['console.berth', 'bearer.nonsense'] })
    expect(seen.refusal).toMatchObject({ error: { code: 401 } })
    const elsewhere = { 'sec-websocket-protocol': `bearer.${token}` }
    const answer = await region.call('GET', instancesPath, { token: '', headers: elsewhere })
    expect(answer.status).toBe(401)
  })

  it('is refused with an answer like any other', async () => {
    await region.call('POST', instancesPath, { body: { type, id: 'one' } })
    expect((await look()).seen.refusal).toMatchObject({
      error: { code: 409, details: [{ reason: 'WRONG_STATE' }] },
    })
    expect((await region.call('GET', consolePath)).status).toBe(409)
    expect((await look({ roles: ['project-other:editor'] })).seen.refusal).toMatchObject({
      error: { code: 404 },
    })
  })

  it('of a host that is away, or too old, says so', async () => {
    await runningInstance()
    for (const [reason, code, said] of [
      ['NOT_CONNECTED', 503, 'CONSOLE_UNAVAILABLE'],
      ['UNSUPPORTED', 409, 'CONSOLE_UNSUPPORTED'],
    ] as const) {
      region.consoleOf.open = async () => ({ kind: 'unavailable', reason, message: 'host-1 says no' })
      expect((await look()).seen.refusal).toMatchObject({ error: { code, details: [{ reason: said }] } })
    }
  })

  it('ends with a sentence: the guest has stopped, the token has expired, the server closes', async () => {
    await runningInstance()
    const stopped = await look()
    guest.listener?.onEnd({
      kind: 'ended',
      reason: 'STOPPED',
      message: `The guest has stopped. ${'é'.repeat(99)}`,
    })
    await expect
      .poll(() => stopped.seen.close)
      .toEqual([1000, expect.stringMatching(/^The guest has stopped\. é/)])
    const expires = Math.floor(Date.now() / 1000) + 2
    const token = await region.issuer.sign({ berth_roles: ['project-x9y8z7:editor'] }, { expires })
    const expired = await look({ token })
    await expect.poll(() => expired.seen.close).toMatchObject([1008, expect.stringContaining('expired')])
    const last = await look()
    const closing = region.close()
    await expect.poll(() => last.seen.close).toMatchObject([1001, expect.stringContaining('closing')])
    await closing
    region = await startRegion()
  })

  it('cuts off who is too slow, and nobody waits for it', async () => {
    await runningInstance()
    const [slow, quick] = [await look(), await look()]
    slow.socket.pause()
    const chunk = 'x'.repeat(64 * 1024)
    const rounds = 200
    for (let round = 0; round < rounds; round += 1) {
      write(chunk, BigInt(round * chunk.length))
      await expect.poll(() => quick.seen.text.length, { interval: 2 }).toBe((round + 1) * chunk.length)
    }
    slow.socket.resume()
    await expect.poll(() => slow.seen.close).toMatchObject([1013, expect.stringContaining('slower')])
    expect(slow.seen.text.length).toBeLessThan(rounds * chunk.length)
    expect(quick.seen.close).toBeUndefined()
  })

  it('leaves an entry in the audit, opened or refused', async () => {
    await runningInstance()
    await look()
    region.consoleOf.open = async () => ({ kind: 'unavailable', reason: 'NOT_RUNNING', message: 'no' })
    for (const socket of open) socket.close()
    await expect.poll(() => guest.closed).toBe(1)
    await look()
    const token = await region.issuer.tokenFor('project-x9y8z7:admin')
    const { body } = await region.call('GET', `${projectPath}/audit`, { token })
    expect(body.entries).toMatchObject([
      { action: 'openConsole', status: 409, reason: 'WRONG_STATE', path: consolePath },
      { action: 'openConsole', status: 101, path: consolePath },
      { action: 'createInstance' },
    ])
  })
})
