// Questions to hosts that wait for an answer: each has one, or the reason why there is none. In: what to ask, hosts' answers,
// news of hosts that are gone. Out: what the asker made of the answer. It knows no kind of question.
import { create } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { type Answer, type Query, QuerySchema } from '../../proto/gen/berth/agent/v1/session_pb.ts'
import type { HostId } from '../../proto/ids.ts'
import type { Unavailable } from '../operations/ports.ts'
import type { Sessions } from './sessions.ts'

export interface QuestionsOptions {
  readonly sessions: Pick<Sessions, 'find'>
  readonly clock: Clock
  readonly random: Random
  readonly timeoutMs: number
}

/** `About` is what the asker keeps of a question until it is settled. */
export interface Questions<About, Outcome> {
  ask(
    question: { readonly hostId: HostId; readonly about: About },
    queryBody: (transferId: string) => Query['body'],
  ): Promise<Outcome | Unavailable>
  /** By the transfer that this host was asked for; undefined where nobody awaits it. */
  find(hostId: HostId, transferId: string): Asked<About, Outcome> | undefined
  /** The same, once: a second call for it finds nobody. */
  claim(hostId: HostId, transferId: string): Asked<About, Outcome> | undefined
  /** What was asked, where the answer is one: an error settles it here. Late ones, and another host's, are nobody's. */
  takeAnswer(hostId: HostId, answer: Answer): Asked<About, Outcome> | undefined
  /** Its session is gone: nothing that was asked will be answered. */
  forgetHost(hostId: HostId): void
}

export interface Asked<About, Outcome> {
  readonly about: About
  settle(outcome: Outcome | Unavailable): void
}

interface Pending<About, Outcome> extends Asked<About, Outcome> {
  readonly hostId: HostId
  readonly queryId: string
}

export function createQuestions<About, Outcome>(options: QuestionsOptions): Questions<About, Outcome> {
  const { sessions, clock, random, timeoutMs } = options
  /** By transfer. */
  const pending = new Map<string, Pending<About, Outcome>>()

  const find = (hostId: HostId, transferId: string) => {
    const asked = pending.get(transferId)
    return asked?.hostId === hostId ? asked : undefined
  }

  return {
    find,
    claim: (hostId, transferId) => {
      const asked = find(hostId, transferId)
      if (asked) pending.delete(transferId)
      return asked
    },
    ask: async ({ hostId, about }, queryBody) => {
      const session = sessions.find(hostId)
      if (session === undefined) return unavailable('NOT_CONNECTED', `Host ${hostId} is not connected.`)
      const [queryId, transferId] = [random.uuid(), random.uuid()]
      const { promise, resolve } = Promise.withResolvers<Outcome | Unavailable>()
      const cancel = clock.after(timeoutMs, () =>
        resolve(unavailable('TIMEOUT', `Host ${hostId} did not answer within ${timeoutMs / 1000} s.`)),
      )
      pending.set(transferId, { hostId, queryId, about, settle: resolve })
      void session.ask(create(QuerySchema, { queryId, body: queryBody(transferId) }))
      try {
        return await promise
      } finally {
        cancel()
        pending.delete(transferId)
      }
    },
    takeAnswer: (hostId, { queryId, body }) => {
      const asked = [...pending.values()].find((one) => one.queryId === queryId && one.hostId === hostId)
      if (body.case !== 'error') return asked
      asked?.settle(unavailable(body.value.reason, body.value.message))
      return undefined
    },
    forgetHost: (hostId) => {
      for (const asked of pending.values()) {
        if (asked.hostId !== hostId) continue
        asked.settle(unavailable('DISCONNECTED', `Host ${hostId} went away before it answered.`))
      }
    },
  }
}

export const unavailable = (reason: string, message: string): Unavailable => ({
  kind: 'unavailable',
  reason,
  message,
})
