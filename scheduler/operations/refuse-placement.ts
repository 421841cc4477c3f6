import { type Problem, problem, type Refusal, refuseAll } from '../errors.ts'
import type { PlacementExplanation, PlacementRule, PlacementVerdict } from '../model/placement.ts'

/** A verdict in a tenant's words: how many hosts each rule ruled out, never which. */
export function refusePlacement(verdict: Exclude<PlacementVerdict, { kind: 'placed' }>): Refusal {
  const { kind, message, explanation } = verdict
  const reason = kind === 'never-fits' ? 'CAN_NEVER_FIT' : 'POOL_CAPACITY_EXCEEDED'
  const [first, ...others] = describeRefusals(explanation).map(
    ({ field, message: sentence, rule, hosts }): Problem => ({
      ...problem(reason, { message: sentence }, field),
      rule,
      hosts,
    }),
  )
  return refuseAll([first ?? problem(reason, { message }, 'type'), ...others], message)
}

export interface RuleOutcome {
  readonly rule: PlacementRule
  /** How many hosts it ruled out. */
  readonly hosts: number
  /** After it and those before it; absent where nobody has counted. */
  readonly hostsLeft?: number
  /** Of the request: what would have to change. */
  readonly field: string
  readonly message: string
}

/** Rule by rule, by numbers. */
export function describeRefusals({ refusedBy = [], hostsFit }: PlacementExplanation): readonly RuleOutcome[] {
  let left = refusedBy.reduce((hosts, refused) => hosts + refused.hosts, hostsFit ?? 0)
  return refusedBy.map(({ rule, hosts }) => {
    const { field, lack } = rules[rule]
    left -= hosts
    return {
      ...{ rule, hosts, field },
      ...(hostsFit === undefined ? {} : { hostsLeft: left }),
      message: `${hosts} ${hosts === 1 ? 'host' : 'hosts'} ruled out: ${lack}.`,
    }
  })
}

const rules: Readonly<Record<PlacementRule, { field: string; lack: string }>> = {
  zone: { field: 'type', lack: 'in another zone' },
  'disk-host': { field: 'disks', lack: 'the disk is on another host' },
  'host-ready': { field: 'type', lack: 'not ready to take instances' },
  architecture: { field: 'disks', lack: "another architecture than the image's" },
  features: {
    field: 'nics',
    lack: 'no stateful filter, gateway, rate limit, UEFI or NVMe disks, which defaultIngress DENY, internetAccess NAT, networkMbps, the image or a disk need',
  },
  uplink: { field: 'nics', lack: "no uplink that carries the networks' VLANs with their MTU" },
  labels: { field: 'scheduling.hostLabels', lack: 'labels that the request rules out' },
  affinity: { field: 'scheduling.affinity', lack: 'none of those there that the instance is to be with' },
  'anti-affinity': {
    field: 'scheduling.antiAffinity',
    lack: 'those there that the instance is to be apart from',
  },
  isolation: { field: 'scheduling.isolation', lack: 'others are there, or one that has it for itself' },
  vcpus: { field: 'type', lack: 'too few vCPUs' },
  memory: { field: 'type', lack: 'too little memory' },
  disk: { field: 'disks', lack: 'too little disk space' },
  'gpu-model': { field: 'gpus', lack: 'no GPU of that type' },
  'gpu-count': { field: 'gpus', lack: 'too few GPUs of that type' },
  'gpu-topology': { field: 'gpus', lack: 'too few GPUs that are as near to one another as asked' },
  'numa-cell': { field: 'gpus', lack: 'too few vCPUs or too little memory on the NUMA node of the GPUs' },
  kept: { field: 'scheduling.waitForCapacity', lack: 'kept for an instance that has waited for long' },
}
