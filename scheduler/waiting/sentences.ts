import { formatTimestamp } from '../../lib/clock.ts'
import type { Demand } from '../model/placement.ts'
import type { WaitingInstance } from '../model/waiting.ts'
import { laneOf } from './kept-hosts.ts'

/** Of one that has just come: its place among others is told later. */
export const firstSentence = (lack: string, untilMs: number): string =>
  `Waits for capacity, until ${formatTimestamp(untilMs)} at most. ${lack}`

export const vainSentence = ({ sinceMs }: WaitingInstance): string =>
  `It has waited for capacity since ${formatTimestamp(sinceMs)}, as long as its request allowed, and there was none. Delete it, and create it anew with more time or smaller.`

export interface Standing {
  readonly instance: WaitingInstance
  /** From 1 on, among those that want the same kind of host. */
  readonly place: number
  readonly of: number
}

/** Where each stands. */
export function standingsOf(inOrder: readonly WaitingInstance[]): readonly Standing[] {
  const lanes = Map.groupBy(inOrder, laneOf)
  return inOrder.map((instance) => {
    const lane = lanes.get(laneOf(instance)) ?? []
    return { instance, place: lane.indexOf(instance) + 1, of: lane.length }
  })
}

/** `lack` and kept hosts are told of the first alone. */
export function standingSentence(
  { instance: { demand, untilMs }, place, of }: Standing,
  { lack, keptHosts }: { readonly lack: string | undefined; readonly keptHosts: number },
): string {
  const sentences = [
    `Waits for capacity, place ${place} of ${of} for ${kindOf(demand)}, until ${formatTimestamp(untilMs)} at most.`,
    ...(lack === undefined ? [] : [lack]),
    ...(keptHosts === 0 ? [] : [`What comes free on ${hostsOf(keptHosts)} is kept for it.`]),
  ]
  return sentences.join(' ')
}

const kindOf = ({ zone, gpus }: Demand) =>
  `${gpus.map(({ type }) => type).join(' and ') || 'hosts'} in zone ${zone}`

const hostsOf = (count: number) => (count === 1 ? 'one host' : `${count} hosts`)
