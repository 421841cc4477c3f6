// The queue with the real fleet, over a store that is a list of hosts and of those who wait: it commits what fits and nothing
// else, and tells of every change as the real one does. Time passes when a test says so.
import type { Clock } from '../../../lib/clock.ts'
import { silentLogger } from '../../../lib/log.ts'
import { seededRandom } from '../../../lib/random.ts'
import { type HostId, instanceUid, projectId } from '../../../proto/ids.ts'
import type { Demand, HostSnapshot } from '../../../scheduler/model/placement.ts'
import type { WaitingInstance } from '../../../scheduler/model/waiting.ts'
import { CountedHost } from '../../../scheduler/placement/counted-host.ts'
import { fits } from '../../../scheduler/placement/pipeline.ts'
import type { StoredCapacity, StoredHost } from '../../../scheduler/store/host-store.ts'
import type { WaitingStore } from '../../../scheduler/store/waiting-store.ts'
import { openFleet } from '../../../scheduler/stream/fleet.ts'
import { openWaitingQueue } from '../../../scheduler/waiting/queue.ts'
import { withClaim, withoutClaim } from '../placement/claims.ts'

export function createManualClock() {
  let now = 0
  const timers: { readonly everyMs: number; nextMs: number; readonly run: () => void }[] = []
  const clock: Clock = {
    nowMs: () => now,
    monotonicMs: () => now,
    sleep: () => Promise.reject(new Error('Nobody sleeps here.')),
    after: () => {
      throw new Error('Nobody waits for one moment here.')
    },
    every: (everyMs, run) => {
      const timer = { everyMs, nextMs: now + everyMs, run }
      timers.push(timer)
      return () => void timers.splice(timers.indexOf(timer), 1)
    },
  }
  const advance = async (byMs: number) => {
    const endMs = now + byMs
    for (;;) {
      const due = timers.toSorted((a, b) => a.nextMs - b.nextMs).find(({ nextMs }) => nextMs <= endMs)
      if (due === undefined) break
      now = due.nextMs
      due.nextMs += due.everyMs
      due.run()
      await settled()
    }
    now = endMs
    await settled()
  }
  return { clock, advance }
}

/** What is under way over promises alone has come to its end. */
export async function settled(): Promise<void> {
  for (let turn = 0; turn < 4; turn += 1) await new Promise((resolve) => setImmediate(resolve))
}

export async function openModelRegion(hosts: readonly HostSnapshot[]) {
  const { clock, advance } = createManualClock()
  const stored = new Map<HostId, StoredCapacity>(hosts.map((host) => [host.hostId, { ...host, revision: 1 }]))
  const waiting = new Map<string, WaitingInstance>()
  const placedAt = new Map<
    string,
    { readonly hostId: HostId; readonly atMs: number; readonly demand: Demand }
  >()
  const failed = new Map<string, string>()
  const sentences = new Map<string, string>()
  const listeners = new Set<(hosts: readonly StoredCapacity[]) => void>()
  const looks = { places: 0 }
  let revision = 1

  function change(host: HostSnapshot): void {
    revision += 1
    const { connected: _, ...capacity } = host
    stored.set(host.hostId, { ...capacity, revision })
    for (const listener of listeners) listener([{ ...capacity, revision }])
  }

  const snapshotOf = (hostId: HostId): HostSnapshot => {
    const host = stored.get(hostId)
    if (host === undefined) throw new Error(`There is no ${hostId}.`)
    return { ...host, connected: true }
  }

  const store: Omit<WaitingStore, 'enqueueInstance'> = {
    listWaiting: async () => [...waiting.values()],
    placeWaiting: async ({ uid, hostId, devices }) => {
      looks.places += 1
      await new Promise((resolve) => setImmediate(resolve))
      const instance = waiting.get(uid)
      if (instance === undefined) return { kind: 'not-waiting' }
      const { demand } = instance
      if (!fits(demand, new CountedHost(snapshotOf(hostId)))) {
        return { kind: 'claim-lost', what: 'vcpus', message: 'the CPUs are taken' }
      }
      waiting.delete(uid)
      placedAt.set(uid, { hostId, atMs: clock.nowMs(), demand })
      change(withClaim(snapshotOf(hostId), { uid, demand, devices: devices.map(({ address }) => address) }))
      return { kind: 'placed', instance: {} as never, command: { sequence: 1, encoded: new Uint8Array() } }
    },
    giveUpWaiting: async ({ uid, reason }) => {
      waiting.delete(uid)
      failed.set(uid, reason)
      return { kind: 'given-up', instance: {} as never }
    },
    tellWaiting: async (told) => {
      for (const { uid, message } of told.sentences) sentences.set(uid, message)
    },
  }
  const fleet = await openFleet({
    store: {
      readHostsChangedAfter: async () => ({
        revision,
        hosts: [...stored.values()] as StoredHost[],
      }),
      onHostsChanged: (listener) => {
        listeners.add(listener)
        return () => listeners.delete(listener)
      },
    },
    isConnected: () => true,
  })
  const dispatch = { nudge: () => {}, offer: () => {} }
  const open = () =>
    openWaitingQueue({ store, fleet, dispatch, clock, random: seededRandom('queue'), log: silentLogger })
  let queue = await open()

  return {
    ...{ clock, advance, placedAt, failed, sentences, fleet, waiting, looks, change, snapshotOf },
    add: (uid: string, demand: Demand, { project = 'p1', untilMs = 1e12 } = {}) => {
      const instance = {
        ...{ uid: instanceUid(uid), project: projectId(project), demand, sinceMs: clock.nowMs() },
        ...{ untilMs, requestId: 'r' },
      }
      waiting.set(uid, instance)
      queue.add(instance)
    },
    /** As a create that does not wait; undefined where it is refused. */
    tryCreate: (uid: string, demand: Demand): HostId | undefined => {
      const verdict = fleet.place(demand, uid)
      if (verdict.kind !== 'placed') return undefined
      const { hostId, devices } = verdict
      placedAt.set(uid, { hostId, atMs: clock.nowMs(), demand })
      change(withClaim(snapshotOf(hostId), { uid, demand, devices: devices.map(({ address }) => address) }))
      return hostId
    },
    /** The proof that it is gone. */
    remove: (uid: string): void => {
      const placed = placedAt.get(uid)
      if (placed === undefined) throw new Error(`${uid} is on no host.`)
      placedAt.delete(uid)
      const { hostId, demand } = placed
      const own = snapshotOf(hostId).devices.filter(({ claimedBy }) => claimedBy === uid)
      change(withoutClaim(snapshotOf(hostId), { uid, demand, devices: own.map(({ address }) => address) }))
    },
    forget: (uid: string) => {
      waiting.delete(uid)
      queue.forget(instanceUid(uid))
    },
    restart: async () => {
      await queue.close()
      queue = await open()
    },
    close: () => queue.close(),
  }
}
