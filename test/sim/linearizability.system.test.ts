// Sixteen clients at once on a few names, against a scheduler that is killed in between: whatever each of them was told,
// there is an order in which it all happened one after the other.
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { type Daemon, instancePath, openRegion, type Region, waitUntil } from '../e2e/region.ts'
import { findAnomaly, type Model, type Operation } from '../support/linearizability.ts'
import { simulatedImages } from './simulated-images.ts'

interface Input {
  readonly verb: 'create' | 'get' | 'delete' | 'start' | 'stop'
  readonly name: string
}
interface Output {
  readonly status: number
  readonly uid: string
  readonly phase: string
}
type State = { readonly uid: string; readonly wish: 'running' | 'stopped' | 'absent' } | undefined

const shown = {
  running: ['PROVISIONING', 'STAGING', 'RUNNING'],
  stopped: ['STOPPING', 'STOPPED'],
  absent: ['DEPROVISIONING'],
}

const model: Model<State, Input, Output> = {
  initial: undefined,
  key: (state) => JSON.stringify(state ?? null),
  isRead: ({ verb }) => verb === 'get',
  // The host takes down what is to be absent, whenever it likes.
  drift: (state) => (state?.wish === 'absent' ? [undefined] : []),
  next: (state, { verb }, output) => {
    if (output === undefined) return [state, ...anyOutcome(state, verb)]
    const { status, uid, phase } = output
    if (verb === 'create') {
      if (status === 409) return state === undefined ? [] : [state]
      return state === undefined ? [{ uid, wish: 'running' }] : []
    }
    if (status === 404) return state === undefined ? [undefined] : []
    if (state === undefined) return []
    // Not now: it is being deleted, or a start came before the stop was done.
    if (status === 409)
      return state.wish === 'absent' || (verb === 'start' && state.wish === 'stopped') ? [state] : []
    // Of a create that was not answered, the first who sees it learns the uid.
    if (uid !== state.uid && state.uid !== '?') return []
    if (verb === 'get') return shown[state.wish].includes(phase) ? [{ ...state, uid }] : []
    if (state.wish === 'absent' && verb !== 'delete') return []
    return [{ uid, wish: wishes[verb] }]
  },
}
const wishes = { delete: 'absent', start: 'running', stop: 'stopped' } as const

/** Of a request whose answer never came. */
function anyOutcome(state: State, verb: Input['verb']): readonly State[] {
  if (verb === 'get') return []
  if (verb === 'create') return state === undefined ? [{ uid: '?', wish: 'running' }] : []
  return state === undefined || state.wish === 'absent' ? [] : [{ uid: state.uid, wish: wishes[verb] }]
}

describe('what clients are told', () => {
  let region: Region
  let scheduler: Daemon
  beforeAll(async () => {
    region = await openRegion(simulatedImages)
    scheduler = await region.startScheduler()
    await region.startFleet(3)
  }, 60_000)
  afterAll(() => region.close())

  it('could have happened one after the other', async () => {
    const history: Operation<Input, Output>[] = []
    let isOver = false
    const names = ['one', 'two', 'three', 'four']
    const client = async (number: number) => {
      for (let turn = 0; !isOver; turn += 1) {
        // The client's own name for creates keeps an unanswered one apart from others.
        const name = names[(number + turn) % names.length] ?? ''
        const verb = (['create', 'get', 'stop', 'start', 'get', 'delete'] as const)[
          (number * 7 + turn * 5) % 6
        ]
        if (verb === undefined) continue
        const calledAt = performance.now()
        const output = await ask(region, { verb, name }).catch(() => undefined)
        const returnedAt = output === undefined ? Number.POSITIVE_INFINITY : performance.now()
        // A read that was not answered says nothing.
        if (output !== undefined || verb !== 'get') {
          history.push({ input: { verb, name }, output, calledAt, returnedAt })
        }
        if (output === undefined) await new Promise((resolve) => setTimeout(resolve, 50))
      }
    }
    const clients = Array.from({ length: 16 }, (_, number) => client(number))
    for (let kill = 0; kill < 2; kill += 1) {
      await new Promise((resolve) => setTimeout(resolve, 700))
      await scheduler.kill('SIGKILL')
      scheduler = await region.startScheduler()
    }
    await new Promise((resolve) => setTimeout(resolve, 700))
    isOver = true
    await Promise.all(clients)
    expect(history.filter(({ output }) => output !== undefined).length).toBeGreaterThan(200)
    expect(new Set(history.map(({ output }) => output?.status))).toEqual(
      new Set([200, 202, 404, 409, undefined]),
    )
    for (const name of names) {
      const own = history.filter(({ input }) => input.name === name)
      expect([name, findAnomaly(own, model)]).toEqual([name, undefined])
    }
  }, 120_000)

  it('is found wrong where it is: the check can fail', () => {
    const at = (calledAt: number, input: Input['verb'], output: Output): Operation<Input, Output> => ({
      ...{ input: { verb: input, name: 'x' }, output, calledAt, returnedAt: calledAt + 1 },
    })
    const created = at(0, 'create', { status: 202, uid: 'a', phase: 'PROVISIONING' })
    const seen = at(2, 'get', { status: 200, uid: 'a', phase: 'RUNNING' })
    expect(findAnomaly([created, seen], model)).toBeUndefined()
    const gone = at(2, 'get', { status: 404, uid: '', phase: '' })
    expect(findAnomaly([created, gone], model)).toEqual([created])
    const twice = at(2, 'create', { status: 202, uid: 'b', phase: 'PROVISIONING' })
    expect(findAnomaly([created, twice], model)).toEqual([created])
  })

  it('leaves everything free at the end', async () => {
    const { body } = await region.call<{ instances: { uid: string }[] }>('GET', instancePath())
    for (const { uid } of body.instances) await region.call('DELETE', instancePath(uid))
    await waitUntil('all are gone', async () => {
      const answer = await region.call<{ instances: unknown[] }>('GET', instancePath())
      return answer.body.instances.length === 0
    })
    const hosts = await region.call<{ hosts: { vcpus: { used: number } }[] }>(
      'GET',
      '/v1/regions/us-texas-1/hosts',
    )
    expect(hosts.body.hosts.map(({ vcpus }) => vcpus.used)).toEqual([0, 0, 0])
  }, 60_000)
})

const methods = { create: 'POST', get: 'GET', delete: 'DELETE', start: 'POST', stop: 'POST' } as const

/** @throws where no answer came, or one that says nothing of what happened. */
async function ask(region: Region, { verb, name }: Input): Promise<Output> {
  const path =
    verb === 'create'
      ? instancePath()
      : `${instancePath(name)}${verb === 'start' || verb === 'stop' ? `:${verb}` : ''}`
  const body = verb === 'create' ? { type: 'g1-small', id: name } : undefined
  const answer = await region.call<{ uid?: string; lifecycle?: { status: string } }>(
    methods[verb],
    path,
    body,
  )
  if (answer.status >= 500 || answer.status === 401) throw new Error(`It is not known what ${verb} did.`)
  return {
    status: answer.status,
    uid: answer.body.uid ?? '',
    phase: answer.body.lifecycle?.status ?? '',
  }
}
