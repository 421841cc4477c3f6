// Instances that wait for capacity, and how they get it. In: who comes and goes, which hosts may have room, time. Out:
// placements, and words on how it stands. The store has the queue; what is here is read from it and can be lost.
// Never: looks at all of them for each host, lets small ones overtake a large one for ever, waits for a host.
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import type { Random } from '../../lib/random.ts'
import type { HostId, InstanceUid } from '../../proto/ids.ts'
import { inCells } from '../model/numa-cells.ts'
import type { Demand, PlacementVerdict } from '../model/placement.ts'
import type { WaitingInstance } from '../model/waiting.ts'
import type { CommandDispatch, FleetRoom, WaitingQueue } from '../operations/ports.ts'
import type { PlaceWaitingOutcome, WaitingStore } from '../store/waiting-store.ts'
import { FairOrder } from './fair-order.ts'
import { KeptHosts } from './kept-hosts.ts'
import { standingSentence, standingsOf, vainSentence } from './sentences.ts'

export interface WaitingPorts {
  readonly store: Omit<WaitingStore, 'enqueueInstance'>
  readonly fleet: FleetRoom
  readonly dispatch: CommandDispatch
  readonly clock: Clock
  readonly random: Pick<Random, 'uuid'>
  readonly log: Logger
}

export interface OpenQueue extends WaitingQueue {
  close(): Promise<void>
}

type Placed = Extract<PlacementVerdict, { kind: 'placed' }>

/** Between looks at what is due: who gives up, for whom a host more is kept, who is told. News of room is acted on at once. */
const tickMs = 10_000
/** Each is a change that watchers get. */
const toldAtOnce = 100
const maximumAttempts = 5

export async function openWaitingQueue(ports: WaitingPorts): Promise<OpenQueue> {
  const { store, fleet, dispatch, clock, random, log } = ports
  const order = new FairOrder()
  const kept = new KeptHosts(fleet)
  const placing = new Map<InstanceUid, Promise<void>>()
  const told = new Map<InstanceUid, string>()
  let ticking: Promise<void> | undefined
  let isClosed = false

  /** Whoever fits a host that has room goes where it is best. What one can't have, others that want the same can't have. */
  function look(hosts: readonly HostId[] | 'all', waiting = order.inOrder()): void {
    if (isClosed) return
    const hopeless = new Set<string>()
    for (const instance of waiting) {
      if (placing.has(instance.uid)) continue
      const demand = { ...instance.demand, ticket: instance.uid }
      const hasOwnHosts = kept.countFor(instance.uid) > 0
      const shape = hasOwnHosts ? instance.uid : shapeOf(instance)
      if (hopeless.has(shape)) continue
      const mayFit = hosts === 'all' || hosts.some((hostId) => fleet.fitsOn(demand, hostId))
      const verdict = mayFit ? fleet.decide(demand, instance.uid, clock.nowMs()) : undefined
      if (verdict === undefined) hopeless.add(shape)
      else begin(instance, verdict)
    }
  }

  function begin(instance: WaitingInstance, verdict: Placed, attempt = 1): void {
    const { uid } = instance
    const work = place(instance, verdict)
      .catch((thrown: unknown) => {
        log.error(
          { err: thrown, instanceUid: uid },
          'An instance that waits was not placed; it is tried again.',
        )
        return 'waits' as const
      })
      .then((outcome) => {
        placing.delete(uid)
        if (outcome !== 'again' || attempt === maximumAttempts || isClosed) return
        // The fleet shows by now what has come between.
        const demand = { ...instance.demand, ticket: uid }
        const next = fleet.decide(demand, uid, clock.nowMs())
        if (next !== undefined && order.has(uid)) begin(instance, next, attempt + 1)
      })
    placing.set(uid, work)
  }

  async function place(instance: WaitingInstance, verdict: Placed): Promise<'again' | 'ended'> {
    const { uid, demand } = instance
    const { hostId, devices, cells, explanation } = fleet.explain(verdict, askedOf(instance))
    const held = inCells(demand, cells)
    const release = fleet.hold(hostId, { demand: held, devices: devices.map(({ address }) => address) })
    const outcome = await store
      .placeWaiting({
        ...(cells === undefined ? {} : { cells }),
        ...{ uid, hostId, devices, explanation, commandId: random.uuid(), nowMs: clock.nowMs() },
        statusMessage: 'Placed; preparation is about to begin.',
      })
      .finally(release)
    return settle(instance, hostId, outcome)
  }

  /** A ticket opens kept hosts, and nothing else. */
  const askedOf = ({ uid, demand }: WaitingInstance): Demand =>
    kept.countFor(uid) === 0 ? demand : { ...demand, ticket: uid }

  async function settle(
    instance: WaitingInstance,
    hostId: HostId,
    outcome: PlaceWaitingOutcome,
  ): Promise<'again' | 'ended'> {
    switch (outcome.kind) {
      case 'placed':
        order.serve(instance.uid)
        forget(instance.uid)
        dispatch.offer(hostId, outcome.command)
        return 'ended'
      case 'not-waiting':
        forget(instance.uid)
        return 'ended'
      case 'claim-lost':
        return 'again'
      case 'disk-refused':
        await giveUp(instance, { reason: outcome.reason, message: outcome.message })
        return 'ended'
    }
  }

  async function giveUp(
    { uid, requestId }: WaitingInstance,
    why: { reason: string; message: string },
  ): Promise<void> {
    await store.giveUpWaiting({ uid, ...why, nowMs: clock.nowMs() })
    log.info({ instanceUid: uid, requestId, reason: why.reason }, 'An instance waits no longer.')
    forget(uid)
  }

  function forget(uid: InstanceUid): void {
    order.remove(uid)
    told.delete(uid)
    kept.letGo(uid)
  }

  async function tick(): Promise<void> {
    const nowMs = clock.nowMs()
    for (const instance of order.inOrder()) {
      if (instance.untilMs > nowMs || placing.has(instance.uid)) continue
      await giveUp(instance, { reason: 'CAPACITY_WAIT_OVER', message: vainSentence(instance) })
    }
    // Also for those of whom no news came, such as a host that was only silent.
    look('all')
    const waiting = order.inOrder().filter(({ uid }) => !placing.has(uid))
    kept.grow(waiting, nowMs)
    await tell(waiting, nowMs)
  }

  async function tell(waiting: readonly WaitingInstance[], nowMs: number): Promise<void> {
    const sentences = standingsOf(waiting).flatMap((standing) => {
      const { instance, place: number } = standing
      const message = standingSentence(standing, {
        lack: number === 1 ? lackOf(instance) : undefined,
        keptHosts: kept.countFor(instance.uid),
      })
      return told.get(instance.uid) === message ? [] : [{ uid: instance.uid, message }]
    })
    const some = sentences.slice(0, toldAtOnce)
    if (some.length === 0) return
    await store.tellWaiting({ sentences: some, nowMs })
    for (const { uid, message } of some) told.set(uid, message)
  }

  function lackOf({ uid, demand }: WaitingInstance): string | undefined {
    const verdict = fleet.place({ ...demand, ticket: uid }, uid, clock.nowMs())
    return verdict.kind === 'placed' ? undefined : verdict.kind === 'not-now' ? verdict.lack : verdict.message
  }

  for (const instance of await store.listWaiting()) order.add(instance)
  const stopListening = fleet.onRoom((hosts) => {
    if (order.size > 0) look(hosts)
  })
  const stopTicking = clock.every(tickMs, () => {
    if (order.size === 0 || ticking !== undefined || isClosed) return
    ticking = tick()
      .catch((thrown: unknown) => log.error({ err: thrown }, 'The queue for capacity failed; it goes on.'))
      .finally(() => {
        ticking = undefined
      })
  })
  look('all')

  return {
    add: (instance) => {
      order.add(instance)
      // Room may have come between the look that found none and now.
      look('all', [instance])
    },
    forget,
    close: async () => {
      isClosed = true
      stopListening()
      stopTicking()
      await ticking
      await Promise.all(placing.values())
    },
  }
}

const shapes = new WeakMap<WaitingInstance, string>()

/** Those of one shape fit the same hosts. */
function shapeOf(instance: WaitingInstance): string {
  const known = shapes.get(instance)
  if (known !== undefined) return known
  const shape = JSON.stringify(instance.demand satisfies Demand)
  shapes.set(instance, shape)
  return shape
}
