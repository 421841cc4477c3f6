import { once } from 'node:events'
import { get, type IncomingMessage } from 'node:http'
import { createGunzip } from 'node:zlib'
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { InstanceObservationSchema, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { hostId } from '../../../proto/ids.ts'
import { instancesPath, type Region, startRegion } from './region.ts'

const type = '/v1/regions/us-texas-1/zones/us1-a/instance-types/g1-small'
let region: Region
beforeEach(async () => {
  region = await startRegion()
})
afterEach(() => region.close())

interface Event {
  readonly event: string
  readonly id?: string
  readonly data: {
    readonly id: string
    readonly uid: string
    readonly lifecycle?: { readonly status: string }
  }
}

/** Server-sent events as a client reads them. */
async function watch(path: string, options: { lastId?: string; token?: string; filter?: string } = {}) {
  const { lastId, filter, token = await region.issuer.tokenFor('project-x9y8z7:viewer') } = options
  const stop = new AbortController()
  const query = new URLSearchParams({ watch: 'true', ...(filter === undefined ? {} : { filter }) })
  const response = await fetch(`${region.url}${path}?${query.toString()}`, {
    headers: {
      authorization: `Bearer ${token}`,
      ...(lastId === undefined ? {} : { 'last-event-id': lastId }),
    },
    signal: stop.signal,
  })
  expect(response.headers.get('content-type')).toContain('text/event-stream')
  const reader = response.body?.pipeThrough(new TextDecoderStream()).getReader()
  let text = ''
  const next = async (): Promise<Event | undefined> => {
    for (;;) {
      const end = text.indexOf('\n\n')
      if (end >= 0) {
        const fields = new Map(
          text
            .slice(0, end)
            .split('\n')
            .map((line) => [line.slice(0, line.indexOf(': ')), line.slice(line.indexOf(': ') + 2)]),
        )
        text = text.slice(end + 2)
        const [event, data, id] = [fields.get('event'), fields.get('data'), fields.get('id')]
        if (event === undefined || data === undefined) continue
        return { event, data: JSON.parse(data) as Event['data'], ...(id === undefined ? {} : { id }) }
      }
      const { done, value } = (await reader?.read()) ?? { done: true, value: undefined }
      if (done) return undefined
      text += value
    }
  }
  return { next, stop: () => stop.abort() }
}

/** As it comes, without what fetch does to it. */
async function watchRaw(
  { url, issuer }: Region,
  headers: Readonly<Record<string, string>>,
): Promise<IncomingMessage> {
  const authorization = `Bearer ${await issuer.tokenFor('project-x9y8z7:viewer')}`
  const request = get(`${url}${instancesPath}?watch=true`, { headers: { authorization, ...headers } })
  const [response] = (await once(request, 'response')) as [IncomingMessage]
  return response
}

/** Reads on until the text is there, and gives all there was. */
async function readUntil(stream: AsyncIterator<unknown>, text: string): Promise<string> {
  for (let seen = ''; ; ) {
    if (seen.includes(text)) return seen
    const { done, value } = await stream.next()
    if (done) throw new Error(`The stream ended without ${text} after ${seen}`)
    seen += String(value)
  }
}

const make = async (id: string) =>
  (await region.call('POST', instancesPath, { body: { type, id } })).body as { uid: string }
const see = (uid: string, phase: InstancePhase, generation: number, released = false) =>
  region.store.applyObservation({
    hostId: hostId('host-1'),
    observation: create(InstanceObservationSchema, {
      ...{ uid, phase, generation, epoch: 1, released, settled: true, reason: 'SEEN', message: 'Seen.' },
    }),
    nowMs: Date.now(),
  })

describe('a watch', () => {
  it('tells what there is, then what changes, then what goes', async () => {
    const { uid } = await make('first')
    const stream = await watch(instancesPath)
    expect(await stream.next()).toMatchObject({ event: 'changed', data: { id: 'first' } })
    expect(await stream.next()).toMatchObject({ event: 'synced' })
    await make('second')
    expect(await stream.next()).toMatchObject({ event: 'changed', data: { id: 'second' } })
    await see(uid, InstancePhase.RUNNING, 1)
    expect(await stream.next()).toMatchObject({ data: { id: 'first', lifecycle: { status: 'RUNNING' } } })
    await region.call('DELETE', `${instancesPath}/first`)
    expect(await stream.next()).toMatchObject({ data: { lifecycle: { status: 'DEPROVISIONING' } } })
    await see(uid, InstancePhase.ABSENT, 2, true)
    expect(await stream.next()).toMatchObject({ event: 'deleted', data: { id: 'first', uid } })
    stream.stop()
  })

  it('goes on where an earlier one ended, and misses nothing', async () => {
    const { uid } = await make('first')
    const stream = await watch(instancesPath)
    await stream.next()
    const synced = await stream.next()
    stream.stop()
    await make('second')
    await region.call('DELETE', `${instancesPath}/first`)
    await see(uid, InstancePhase.ABSENT, 2, true)
    const again = await watch(instancesPath, { lastId: synced?.id ?? '' })
    const events = [await again.next(), await again.next()]
    expect(events.map((event) => [event?.event, event?.data.id])).toEqual([
      ['changed', 'second'],
      ['deleted', 'first'],
    ])
    again.stop()
  })

  it('of one instance tells of that one alone', async () => {
    const { uid } = await make('first')
    const stream = await watch(`${instancesPath}/first`)
    await stream.next()
    expect(await stream.next()).toMatchObject({ event: 'synced' })
    await make('second')
    await see(uid, InstancePhase.RUNNING, 1)
    expect(await stream.next()).toMatchObject({ data: { id: 'first', lifecycle: { status: 'RUNNING' } } })
    stream.stop()
  })

  it('of a filter tells what comes to match, and what matches no longer', async () => {
    const label = (id: string, team: string | null) =>
      region.call('PATCH', `${instancesPath}/${id}`, { body: { labels: { team } } })
    await make('first')
    await make('second')
    await label('first', 'ml')
    const stream = await watch(instancesPath, { filter: 'labels.team=ml' })
    const seen = async () => {
      const { event, data } = (await stream.next()) ?? {}
      return [event, data?.id]
    }
    expect([await seen(), await seen()]).toEqual([
      ['changed', 'first'],
      ['synced', undefined],
    ])
    await label('second', 'ml')
    expect(await seen()).toEqual(['changed', 'second'])
    await label('first', 'web')
    expect(await seen()).toEqual(['left', 'first'])
    stream.stop()
    const answer = await region.call('GET', `${instancesPath}?watch=true&filter=labels.team%3D`)
    expect([answer.status, answer.body.error.details[0].field]).toEqual([400, 'filter'])
  })

  it('shows nothing of other projects', async () => {
    const token = await region.issuer.tokenFor('project-other:viewer')
    const stream = await watch('/v1/regions/us-texas-1/projects/project-other/compute/instances', { token })
    expect(await stream.next()).toMatchObject({ event: 'synced' })
    await make('ours')
    await region.call('POST', '/v1/regions/us-texas-1/projects/project-other/compute/instances', {
      token: await region.issuer.tokenFor('project-other:editor'),
      body: { type, id: 'theirs' },
    })
    expect(await stream.next()).toMatchObject({ data: { id: 'theirs' } })
    stream.stop()
  })

  it('says that it can not go on from what is no history of this region', async () => {
    const stream = await watch(instancesPath, { lastId: '999999' })
    expect(await stream.next()).toMatchObject({ event: 'forgotten' })
    expect(await stream.next()).toBeUndefined()
  })

  it('ends with its token', async () => {
    const soon = Math.floor(Date.now() / 1000) + 2
    const token = await region.issuer.sign({ berth_roles: ['project-x9y8z7:viewer'] }, { expires: soon })
    const stream = await watch(instancesPath, { token })
    expect(await stream.next()).toMatchObject({ event: 'synced' })
    expect(await stream.next()).toBeUndefined()
  })

  it('reaches many', async () => {
    const streams = await Promise.all(Array.from({ length: 40 }, () => watch(instancesPath)))
    for (const stream of streams) expect((await stream.next())?.event).toBe('synced')
    await make('seen-by-all')
    const seen = await Promise.all(streams.map((stream) => stream.next()))
    expect(seen.map((event) => event?.data.id)).toEqual(streams.map(() => 'seen-by-all'))
    for (const stream of streams) stream.stop()
  })

  it('begins at once, even where there is nothing to tell', async () => {
    const position = await region.store.readChangePosition()
    const response = await watchRaw(region, { 'last-event-id': String(position) })
    expect(response.statusCode).toBe(200)
    response.destroy()
  })

  it('is compressed for who takes gzip: each event is there as it happens, and the end is right', async () => {
    const other = await startRegion()
    const response = await watchRaw(other, { 'accept-encoding': 'deflate, gzip' })
    expect(response.headers).toMatchObject({ 'content-encoding': 'gzip', vary: 'accept-encoding' })
    // Fails where the end is missing or its checksum wrong.
    const events = response.pipe(createGunzip())[Symbol.asyncIterator]()
    await readUntil(events, 'event: synced')
    for (const id of ['first', 'second']) {
      await other.call('POST', instancesPath, { body: { type, id } })
      await readUntil(events, `"id":"${id}"`)
    }
    const rest = events.next()
    await other.close()
    expect(await rest).toMatchObject({ done: true })
  })

  it.each([undefined, 'br', 'gzip;q=0, *', 'identity, gzip;q=0.5'])(
    'is text where Accept-Encoding is %s',
    async (encoding) => {
      const response = await watchRaw(region, encoding === undefined ? {} : { 'accept-encoding': encoding })
      expect(response.headers['content-encoding']).toBeUndefined()
      const events = response[Symbol.asyncIterator]()
      await readUntil(events, 'event: synced')
      await make('first')
      await readUntil(events, '"id":"first"')
      response.destroy()
    },
  )
})
