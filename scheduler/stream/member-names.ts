// Tells each connected host who else is in the networks that it has members of, so that their names resolve there. In:
// what the store says has changed, looked at once for all hosts. Out: the whole list to a session that has none yet,
// after that what changes. It holds nothing that the store doesn't have.
import { create } from '@bufbuild/protobuf'
import type { Clock } from '../../lib/clock.ts'
import type { Logger } from '../../lib/log.ts'
import {
  type NetworkMember,
  NetworkMemberSchema,
  NetworkMembersSchema,
} from '../../proto/gen/berth/agent/v1/network_pb.ts'
import type { HostId, InstanceUid, NetworkUid } from '../../proto/ids.ts'
import type { MembershipChange, MembershipStore, NetworkMembership } from '../store/membership-store.ts'
import type { Store } from '../store/store.ts'
import type { LiveHandle, Sessions } from './sessions.ts'

export interface MemberNames {
  close(): Promise<void>
}

/** Changes of that long are told together. */
const gatherMs = 1000
/** Rests as many times as long as it took: where much changes, names wait and not requests. */
const restFactor = 9
const hostsInTurn = 16
/** At once: the store is not held up by it, nor are requests by the answer. */
const readLimit = 100
/** Of a list: what a session takes as one message is limited. */
const membersInMessage = 5000

/** Of one network, by instance: what it is now, or that it is gone. */
type Changes = Map<InstanceUid, NetworkMembership | 'gone'>

interface Member {
  readonly hostId: HostId
  readonly told: NetworkMember
}

/** Of a network, all of them. */
type Lists = Map<NetworkUid, Promise<readonly Member[]>>

export function startMemberNames(options: {
  store: MembershipStore & Pick<Store, 'readChangePosition'>
  sessions: Pick<Sessions, 'find' | 'list'>
  clock: Clock
  log: Logger
}): MemberNames {
  const { store, sessions, clock, log } = options
  /** Networks whose whole list a session has. */
  let told = new WeakMap<LiveHandle, Set<string>>()
  let position: number | undefined
  let looking: Promise<void> | undefined

  async function look(): Promise<void> {
    const changes = await readChanges()
    const lists: Lists = new Map()
    for (const { hostId } of sessions.list()) {
      const session = sessions.find(hostId)
      if (session !== undefined && !told.has(session) && !session.isBehind()) await tellAll(session, lists)
    }
    for (const [network, changed] of changes) await tellChanges(network, changed, lists)
  }

  /** Read once in a look, after what has changed: nothing in between is missed. */
  function listOf(network: NetworkUid, lists: Lists): Promise<readonly Member[]> {
    const known = lists.get(network)
    if (known !== undefined) return known
    const read = store
      .listNetworkMembers(network)
      .then((members) => members.map((member) => renderMember(member, network)))
    lists.set(network, read)
    return read
  }

  async function readChanges(): Promise<Map<NetworkUid, Changes>> {
    const changes = new Map<NetworkUid, Changes>()
    // Every session that is connected now begins with whole lists.
    position ??= await store.readChangePosition()
    for (let isMore = true; isMore; ) {
      const outcome = await store.readMembershipsAfter({ after: position, limit: readLimit })
      if (outcome.kind === 'forgotten') {
        told = new WeakMap()
        position = outcome.last
        return new Map()
      }
      for (const change of outcome.changes) note(changes, change)
      isMore = outcome.changes.length === readLimit
      position = outcome.through
    }
    return changes
  }

  async function tellAll(session: LiveHandle, lists: Lists): Promise<void> {
    told.set(session, new Set())
    for (const network of await store.listNetworksOnHost(session.hostId)) {
      tellComplete(session, network, await listOf(network, lists))
    }
  }

  function tellComplete(session: LiveHandle, network: NetworkUid, members: readonly Member[]): void {
    told.get(session)?.add(network)
    const all = elsewhere(members, session.hostId)
    tell(session, network, { isComplete: true, members: all.slice(0, membersInMessage) })
    for (let at = membersInMessage; at < all.length; at += membersInMessage) {
      tell(session, network, { isComplete: false, members: all.slice(at, at + membersInMessage) })
    }
  }

  async function tellChanges(network: NetworkUid, changed: Changes, lists: Lists): Promise<void> {
    const present = [...changed.values()].flatMap((member) =>
      member === 'gone' ? [] : renderMember(member, network),
    )
    const gone = [...changed].flatMap(([uid, member]) => (member === 'gone' ? uid : []))
    for (const [index, hostId] of (await store.listNetworkHosts(network)).entries()) {
      // Requests are answered between hosts.
      if (index % hostsInTurn === 0) await clock.sleep(0)
      const session = sessions.find(hostId)
      const known = session && told.get(session)
      if (session === undefined || known === undefined) continue
      if (session.isBehind()) {
        // It holds nobody else up, and is told all of it once it has caught up.
        told.delete(session)
        continue
      }
      if (!known.has(network)) {
        // The first of its members there: until then nobody asked for names.
        tellComplete(session, network, await listOf(network, lists))
        continue
      }
      const news = elsewhere(present, hostId)
      if (news.length + gone.length === 0) continue
      tell(session, network, { isComplete: false, members: news, goneInstanceUids: gone })
    }
  }

  const tell = (
    session: LiveHandle,
    networkUid: NetworkUid,
    list: { isComplete: boolean; members: NetworkMember[]; goneInstanceUids?: string[] },
  ) => session.tellMembers(create(NetworkMembersSchema, { networkUid, ...list }))

  let restUntilMs = 0
  const stop = clock.every(gatherMs, () => {
    const beganMs = clock.monotonicMs()
    if (beganMs < restUntilMs) return
    looking ??= look()
      .catch((err: unknown) => {
        // Nobody knows what was told of it: all of it anew.
        told = new WeakMap()
        log.error({ err }, 'Hosts could not be told who is in their networks; they are told again.')
      })
      .finally(() => {
        looking = undefined
        const endedMs = clock.monotonicMs()
        restUntilMs = endedMs + restFactor * (endedMs - beganMs)
      })
  })
  return {
    close: async () => {
      stop()
      await looking
    },
  }
}

function note(changes: Map<NetworkUid, Changes>, change: MembershipChange): void {
  const isGone = change.kind === 'gone'
  const { uid } = isGone ? change : change.member
  const networks = isGone ? change.networks : change.member.nics.map(({ network }) => network)
  for (const network of networks) {
    const ofNetwork = changes.get(network) ?? new Map<InstanceUid, NetworkMembership | 'gone'>()
    changes.set(network, ofNetwork.set(uid, isGone ? 'gone' : change.member))
  }
}

const elsewhere = (members: readonly Member[], hostId: HostId): NetworkMember[] =>
  members.filter((member) => member.hostId !== hostId).map(({ told }) => told)

const renderMember = ({ uid, hostId, hostname, nics }: NetworkMembership, network: NetworkUid): Member => ({
  hostId,
  told: create(NetworkMemberSchema, {
    ...{ instanceUid: uid, hostname },
    addresses: nics.filter((nic) => nic.network === network).flatMap(({ addresses }) => addresses),
  }),
})
