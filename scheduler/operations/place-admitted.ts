import type { SlotUid } from '../../proto/ids.ts'
import type { AdmittedInstance } from '../admission/admit.ts'
import { changeCells } from '../model/numa-cells.ts'
import type { HostSnapshot, PlacementVerdict } from '../model/placement.ts'
import type { ReservationSlot, StoredReservation } from '../model/resource.ts'
import { place } from '../placement/index.ts'
import type { Places } from './ports.ts'

type Wish = Pick<AdmittedInstance, 'demand' | 'reservation'>

/** On any host, or in one of the places that the reservation keeps. `entered` are those that others are about to take. */
export function placeAdmitted(
  { demand, reservation }: Wish,
  places: Places,
  {
    seed,
    nowMs,
    entered = new Set(),
  }: { readonly seed: string; readonly nowMs: number; readonly entered?: ReadonlySet<SlotUid> },
): PlacementVerdict {
  if (reservation === undefined) return places.place(demand, seed, nowMs)
  const free = reservation.slots.filter(({ uid, user }) => user === undefined && !entered.has(uid))
  let verdict: PlacementVerdict = allInUse(reservation, seed)
  for (const slot of inTurn(free, seed)) {
    const host = places.host(slot.hostId)
    if (host === undefined) continue
    verdict = place(demand, [withSlotFree(host, slot)], seed)
    if (verdict.kind === 'placed') return inSlot(verdict, slot)
  }
  return verdict
}

/** It is counted already, in the cells that were chosen then. */
function inSlot(
  { cells: _, ...verdict }: Extract<PlacementVerdict, { kind: 'placed' }>,
  { uid, demand: { cells } }: ReservationSlot,
): PlacementVerdict {
  return { ...verdict, ...(cells === undefined ? {} : { cells }), slotUid: uid }
}

/** Creates that come together begin at different ones, so that they do not all want the same. */
function inTurn<Item>(items: readonly Item[], seed: string): readonly Item[] {
  const start = items.length === 0 ? 0 : Number.parseInt(seed.slice(-4), 16) % items.length
  return [...items.slice(start), ...items.slice(0, start)]
}

function allInUse({ id, slots }: StoredReservation, seed: string): PlacementVerdict {
  const message =
    slots.length === 0
      ? `Reservation ${id} holds nothing any more: its hosts were lost.`
      : `Reservation ${id} holds room for ${slots.length}, and all of it is in use.`
  return { kind: 'not-now', message, lack: message, explanation: { seed, hostsConsidered: 0, refusals: [] } }
}

/** As its owner sees it: what the place holds is free, and of the devices nothing else. */
function withSlotFree(host: HostSnapshot, { demand, devices }: ReservationSlot): HostSnapshot {
  const own = new Set(devices)
  const free = (counter: HostSnapshot['vcpus'], held: number) => ({ ...counter, used: counter.used - held })
  return {
    ...host,
    vcpus: free(host.vcpus, demand.vcpus),
    memoryMib: free(host.memoryMib, demand.memoryMib),
    diskGb: free(host.diskGb, demand.diskGb),
    ...(host.cells === undefined ? {} : { cells: changeCells(host.cells, demand.cells ?? [], -1) }),
    devices: host.devices
      .filter(({ address }) => own.has(address))
      .map(({ claimedBy: _claimedBy, ...device }) => device),
  }
}
