import { beforeEach, expect, it } from 'vitest'
import { QmpClient } from '../../../../agent/drivers/hypervisor/qmp-client.ts'
import { type FakePeer, FakeSockets } from '../../../../agent/host/fake/fake-sockets.ts'
import type { Clock } from '../../../../lib/clock.ts'
import { createEagerClock, until } from '../../instance/eager-clock.ts'

const path = '/run/qmp.sock'
const greeting = '{"QMP":{"version":{"qemu":{"micro":0,"minor":2,"major":7}},"capabilities":[]}}'

interface Asked {
  readonly execute: string
  readonly id: number
  readonly arguments?: object
}

let sockets: FakeSockets
let qemu: FakePeer
let asked: Asked[]
/** What QEMU does with a command; undefined: nothing. */
let answer: (command: Asked) => object | undefined

beforeEach(() => {
  sockets = new FakeSockets()
  asked = []
  answer = () => ({ return: {} })
  sockets.listen(path, {
    onConnect: (peer) => {
      qemu = peer
      peer.send(greeting)
      return {
        onClose: () => {},
        onLine: (line) => {
          const command = JSON.parse(line) as Asked
          asked.push(command)
          const reply = answer(command)
          if (reply) peer.send(JSON.stringify({ ...reply, id: command.id }))
        },
      }
    },
  })
})

/** Time does not pass by itself: nothing here waits for a timeout but the test of it. */
const patient = { ...createEagerClock(), after: () => () => {} }
const open = async (clock: Clock = patient) => QmpClient.open(await sockets.connect(path), clock)

it('leaves negotiation behind and asks with arguments', async () => {
  const client = await open()
  answer = () => ({ return: { status: 'running' } })
  expect(await client.execute('query-status', { a: 1 })).toEqual({ status: 'running' })
  expect(asked.map(({ execute }) => execute)).toEqual(['qmp_capabilities', 'query-status'])
  expect(asked[1]?.arguments).toEqual({ a: 1 })
})

it('gives each asker its own answer, whatever the order', async () => {
  const client = await open()
  answer = () => undefined
  const runs = ['one', 'two', 'three'].map((command) => client.execute(command))
  await until(() => asked.length === 4, 'all are asked')
  for (const { execute, id } of asked.slice(1).reverse()) qemu.send(JSON.stringify({ return: execute, id }))
  expect(await Promise.all(runs)).toEqual(['one', 'two', 'three'])
})

it('tells a refusal with its class', async () => {
  const client = await open()
  answer = () => ({ error: { class: 'CommandNotFound', desc: 'no such thing' } })
  await expect(client.execute('nonsense')).rejects.toMatchObject({
    name: 'QmpError',
    qmpClass: 'CommandNotFound',
  })
})

it('hands events on, between answers, until it is told to stop', async () => {
  const client = await open()
  const events: string[] = []
  const stop = client.onEvent(({ event, data }) => events.push(`${event} ${JSON.stringify(data)}`))
  qemu.send('{"event":"SHUTDOWN","data":{"guest":true},"timestamp":{"seconds":1,"microseconds":2}}')
  qemu.send('{"event":"STOP"}')
  await client.execute('query-status')
  stop()
  qemu.send('{"event":"RESUME"}')
  await client.execute('query-status')
  expect(events).toEqual(['SHUTDOWN {"guest":true}', 'STOP {}'])
})

it('takes nothing for an answer that is none', async () => {
  const client = await open()
  answer = ({ id }) => {
    for (const noise of [
      '',
      'no JSON',
      '[]',
      'null',
      '7',
      `{"return":"wrong","id":${id + 1}}`,
      '{"return":"none"}',
    ]) {
      qemu.send(noise)
    }
    return { return: 'right' }
  }
  expect(await client.execute('query-status')).toBe('right')
})

it('fails what waits when the connection ends, and what comes later', async () => {
  const client = await open()
  answer = () => undefined
  const run = client.execute('quit')
  let isTold = false
  client.onClose(() => {
    isTold = true
  })
  qemu.close()
  await expect(run).rejects.toMatchObject({ name: 'QmpLost' })
  await expect(client.execute('query-status')).rejects.toMatchObject({ name: 'QmpLost' })
  expect(isTold).toBe(true)
})

it('gives a command up that is never answered', async () => {
  answer = () => undefined
  await expect(open(createEagerClock())).rejects.toMatchObject({ name: 'QmpLost' })
})
