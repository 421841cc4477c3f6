import { gunzipSync } from 'node:zlib'
import fastify from 'fastify'
import { expect, it } from 'vitest'
import { openEventStream, SharedText } from '../../../scheduler/api/event-stream.ts'

const { signal } = new AbortController()

it('counts everything that it sends, heartbeats too', async () => {
  const server = fastify()
  const event = new SharedText('event: changed\ndata: {}\n\n')
  server.get('/', async (request, reply) => {
    const stream = openEventStream(request, reply)
    stream.heartbeat()
    await stream.send(event, signal)
    await stream.send(new SharedText(''), signal)
    stream.heartbeat()
    await stream.send(event, signal)
    stream.end()
    return reply
  })
  const compressed = await server.inject({ url: '/', headers: { 'accept-encoding': 'gzip' } })
  const plain = await server.inject('/')
  expect(compressed.headers['content-encoding']).toBe('gzip')
  expect(plain.headers['content-encoding']).toBeUndefined()
  const beat = ': still here\n\n'
  const expected = `${beat}event: changed\ndata: {}\n\n${beat}event: changed\ndata: {}\n\n`
  expect(gunzipSync(compressed.rawPayload).toString()).toBe(expected)
  expect(plain.payload).toBe(expected)
})
