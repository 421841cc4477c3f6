// Several demands at once: all of them or none, each around those before it. Where they are to be together, on hosts that
// have one value of a label: those with the least room that do, so that the others stay whole for more. In: the members,
// an index, and how one of them is placed. Nothing of it stays claimed there.
import type { HostId, SlotUid } from '../../proto/ids.ts'
import { inCells } from '../model/numa-cells.ts'
import type { Demand, HostSnapshot, LabelSelector, NumaCell, PlacementVerdict } from '../model/placement.ts'
import type { Claim } from './claim.ts'
import type { CountedHost } from './counted-host.ts'
import { gpusOf } from './demand.ts'
import { FleetIndex } from './fleet-index.ts'
import { hashOf } from './seed.ts'

export interface GangMember {
  readonly uid: string
  readonly demand: Demand
}

type Placed = Extract<PlacementVerdict, { kind: 'placed' }>
type Refused = Exclude<PlacementVerdict, Placed>

/** Places one on the index; `entered` are the reservations' places that members before it take. */
export type PlaceMember = (
  member: { readonly at: number; readonly demand: Demand },
  index: FleetIndex,
  entered: ReadonlySet<SlotUid>,
) => PlacementVerdict

export interface Gang {
  readonly members: readonly GangMember[]
  readonly place: PlaceMember
}

export interface PlacedGang {
  readonly kind: 'placed'
  /** In the order of the members. */
  readonly placed: readonly Placed[]
}

/** Who is in the way, and how many have a place before it. */
export interface RefusedGang {
  readonly kind: 'refused'
  readonly at: number
  readonly verdict: Refused
  readonly roomFor: number
}

/** How many of them the hosts of one value of a label have room for. */
export interface ValueRoom {
  readonly value: string
  readonly roomFor: number
}

export interface ScatteredGang {
  readonly kind: 'scattered'
  /** Of every value, the most first. */
  readonly rooms: readonly ValueRoom[]
}

export function placeGang({ members, place }: Gang, index: FleetIndex): PlacedGang | RefusedGang {
  const placed: Placed[] = []
  const claimed: [hostId: HostId, claim: Claim][] = []
  const entered = new Set<SlotUid>()
  try {
    for (const [roomFor, { at, uid, demand }] of largestFirst(members).entries()) {
      const verdict = place({ at, demand }, index, entered)
      if (verdict.kind !== 'placed') return { kind: 'refused', at, verdict, roomFor }
      const { hostId, devices, cells, slotUid } = verdict
      placed[at] = verdict
      if (slotUid !== undefined) {
        // It is counted with its host already.
        entered.add(slotUid)
        continue
      }
      const claim = { uid, demand: inCells(demand, cells), devices: devices.map(({ address }) => address) }
      index.claim(hostId, claim)
      claimed.push([hostId, claim])
    }
  } finally {
    for (const [hostId, claim] of claimed.toReversed()) index.release(hostId, claim)
  }
  return { kind: 'placed', placed }
}

/** What fits only in few places comes before it finds them taken. */
function largestFirst(members: readonly GangMember[]) {
  const sized = members.map((member, at) => ({ ...member, at, gpus: gpusOf(member.demand) }))
  return sized.toSorted(
    (a, b) =>
      b.gpus - a.gpus ||
      b.demand.vcpus - a.demand.vcpus ||
      b.demand.memoryMib - a.demand.memoryMib ||
      a.at - b.at,
  )
}

export type TogetherGang = (PlacedGang & { readonly value: string }) | ScatteredGang

/** All of them on hosts whose label `key` has one value. */
export function placeTogether(
  gang: Gang,
  index: FleetIndex,
  { key, seed }: { readonly key: string; readonly seed: string },
): TogetherGang {
  const values = rankValues(index.counted(), { key, seed, hasGpus: hasGpus(gang) })
  const rooms: ValueRoom[] = []
  for (const value of values) {
    const outcome = placeGang({ ...gang, members: gang.members.map(boundTo({ key, value })) }, index)
    if (outcome.kind === 'placed') return { ...outcome, value }
    rooms.push({ value, roomFor: outcome.roomFor })
  }
  return { kind: 'scattered', rooms: rooms.toSorted((a, b) => b.roomFor - a.roomFor) }
}

/** Whether hosts of one value could take all of them if nobody were there. */
export function couldEverBeTogether(
  gang: Gang,
  index: FleetIndex,
  { key, seed }: { readonly key: string; readonly seed: string },
): boolean {
  const ofValue = Map.groupBy(index.counted(), ({ host }) => host.labels?.[key])
  for (const [value, hosts] of ofValue) {
    if (value === undefined) continue
    const empty = new FleetIndex()
    for (const { snapshot } of hosts) empty.put(emptied(snapshot))
    if (placeTogether(gang, empty, { key, seed }).kind === 'placed') return true
  }
  return false
}

export const selectorOf = (label: { readonly key: string; readonly value: string }): LabelSelector => ({
  ...{ kind: 'in', key: label.key, values: [label.value] },
})

const boundTo =
  (label: { readonly key: string; readonly value: string }) =>
  (member: GangMember): GangMember => ({
    ...member,
    demand: { ...member.demand, hostLabels: [...(member.demand.hostLabels ?? []), selectorOf(label)] },
  })

const hasGpus = ({ members }: Gang) => members.some(({ demand }) => demand.gpus.length > 0)

/** By what is free on their hosts, the least first; equals by the seed. */
function rankValues(
  hosts: Iterable<CountedHost>,
  { key, seed, hasGpus: ofGpus }: { readonly key: string; readonly seed: string; readonly hasGpus: boolean },
): readonly string[] {
  const free = new Map<string, number>()
  for (const { host, freeGpus, freeVcpus } of hosts) {
    const value = host.labels?.[key]
    if (value === undefined || host.state !== 'ready') continue
    free.set(value, (free.get(value) ?? 0) + (ofGpus ? freeGpus : freeVcpus))
  }
  const from = hashOf(seed)
  const ranked = Array.from(free, ([value, room]) => ({
    ...{ value, room, distance: (hashOf(value) - from) >>> 0 },
  }))
  return ranked.toSorted((a, b) => a.room - b.room || a.distance - b.distance).map(({ value }) => value)
}

/** Nobody is there, and everything on it works. */
function emptied({ keptFor: _, ...host }: HostSnapshot): HostSnapshot {
  const { diskGb, devices, cells } = host
  return {
    ...host,
    ...{ state: 'ready', connected: true, occupants: [] },
    ...unused(host),
    diskGb: { ...diskGb, used: 0 },
    ...(cells === undefined ? {} : { cells: cells.map((cell) => ({ ...cell, ...unused(cell) })) }),
    devices: devices.map(({ address, acceleratorType, numaNode, switchId }) => ({
      ...{ address, numaNode, present: true },
      ...(acceleratorType === undefined ? {} : { acceleratorType }),
      ...(switchId === undefined ? {} : { switchId }),
    })),
  }
}

const unused = ({ vcpus, memoryMib }: Pick<NumaCell, 'vcpus' | 'memoryMib'>) => ({
  ...{ vcpus: { ...vcpus, used: 0 }, memoryMib: { ...memoryMib, used: 0 } },
})
