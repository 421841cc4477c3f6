// Chooses a host and its exact devices for an admitted demand. Input: the demand, a snapshot of the fleet and a seed;
// output: a placement or a verdict, with the reason for every host that was refused. Reads no clock, touches no store:
// the store's commitPlacement checks again and has the last word. The same input gives the same output.
import type { Demand, HostSnapshot, PlacementExplanation, PlacementVerdict } from '../model/placement.ts'
import { chooseDevices } from './devices.ts'
import { findMiss, findNearestMiss, type Miss } from './pipeline.ts'
import { scoreHost, totalScore } from './score.ts'
import { hashOf } from './seed.ts'
import { refusalSentence } from './sentence.ts'

export function place(demand: Demand, hosts: readonly HostSnapshot[], seed: string): PlacementVerdict {
  const misses: Miss[] = []
  const fitting: HostSnapshot[] = []
  for (const host of hosts) {
    const miss = findMiss(demand, host)
    if (miss) misses.push(miss)
    else fitting.push(host)
  }
  const refusals = misses.map(({ refusal }) => refusal)
  const explanation: PlacementExplanation = { seed, hostsConsidered: hosts.length, refusals }
  const chosen = bestOf(demand, fitting, seed)
  if (!chosen) {
    const message = refusalSentence(demand, explanation, findNearestMiss(misses)?.refusal)
    const kind = refusals.some((refusal) => refusal.couldEverFit) ? 'not-now' : 'never-fits'
    return { kind, message, explanation }
  }
  return {
    kind: 'placed',
    hostId: chosen.hostId,
    devices: chooseDevices(demand, chosen),
    explanation: { ...explanation, scores: scoreHost(demand, chosen) },
  }
}

/** Highest score; equals are told apart by the seed, so that a burst does not land on one host by its name. */
function bestOf(demand: Demand, hosts: readonly HostSnapshot[], seed: string): HostSnapshot | undefined {
  let best: { host: HostSnapshot; score: number; tie: number } | undefined
  for (const host of hosts) {
    const score = totalScore(scoreHost(demand, host))
    const tie = hashOf(`${seed}/${host.hostId}`)
    if (!best || isBetter({ host, score, tie }, best)) best = { host, score, tie }
  }
  return best?.host
}

interface Candidate {
  readonly host: HostSnapshot
  readonly score: number
  readonly tie: number
}

/** The id decides last, so that the order of the snapshot never does. */
const isBetter = (a: Candidate, b: Candidate): boolean =>
  a.score !== b.score ? a.score > b.score : a.tie !== b.tie ? a.tie > b.tie : a.host.hostId < b.host.hostId
