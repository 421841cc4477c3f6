import type { Demand, PlacementRule } from '../model/placement.ts'
import type { Tally } from './tally.ts'

const ruleWords: Readonly<Record<PlacementRule, string>> = {
  zone: 'other zone',
  'disk-host': 'without the disk',
  'host-ready': 'not ready',
  architecture: 'other architecture',
  features: 'without what the networks or the type need',
  uplink: 'without an uplink that the networks need',
  labels: 'other labels',
  affinity: 'without those it is to be with',
  'anti-affinity': 'with those it is to be apart from',
  isolation: 'with others, or with one that has it for itself',
  vcpus: 'too few vCPUs free',
  memory: 'too little memory free',
  disk: 'too little disk free',
  'gpu-model': 'no such GPU',
  'gpu-count': 'too few GPUs free',
  'gpu-topology': 'too few GPUs near to one another free',
  'numa-cell': 'too few vCPUs or too little memory free beside the GPUs',
  kept: 'kept for who has waited for long',
}

/** For tenants: what was asked and what stood in the way, by numbers, never by a host's name. */
export function lackSentence(demand: Demand, { refusedBy, nearest }: Tally): string {
  const total = refusedBy.reduce((sum, { hosts }) => sum + hosts, 0)
  if (total === 0) return `Zone ${demand.zone} has no hosts.`
  const reasons = refusedBy.map(({ rule, hosts }) => `${hosts} ${ruleWords[rule]}`).join(', ')
  const sentences = [
    `${hostsOf(total)} of zone ${demand.zone} has room for ${describeDemand(demand)}: ${reasons}.`,
    ...(nearest ? [`The nearest: ${nearest.describe()}.`] : []),
  ]
  return sentences.join(' ')
}

export const advice = {
  'not-now': 'Try again later, or ask for less.',
  'never-fits': 'No host of this zone can ever take it: ask for less, or for another type.',
} as const

const hostsOf = (total: number) => (total === 1 ? 'Not the one host' : `None of the ${total} hosts`)

function describeDemand(demand: Demand): string {
  const gpus = demand.gpus.map(({ type, count, alternatives = [], topology = 'any' }) => {
    const near = topology === 'any' ? '' : ` (${topology})`
    return `${count} × ${[type, ...alternatives].join(' or ')}${near}`
  })
  const vcpus = `${demand.vcpus} ${demand.vcpus === 1 ? 'vCPU' : 'vCPUs'}`
  const parts = [vcpus, `${demand.memoryMib} MiB`, `${demand.diskGb} GB of disk`, ...gpus]
  return parts.join(', ')
}
