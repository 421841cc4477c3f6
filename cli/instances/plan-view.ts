import type { InstancePlan } from '../client/resources.ts'
import type { Rendering } from '../output/format.ts'

const marks = { FITS: 'fits now', NOT_NOW: 'does not fit now', NEVER: 'can never fit here' } as const

/** The explanation drawn: the verdict, a bar for each rule by the hosts that it ruled out, and what would fit. */
export const planView: Rendering<InstancePlan> = {
  table: (plan) => {
    const { verdict, message, placement } = plan
    return [
      `${verdict}: it ${marks[verdict]}.`,
      ...(verdict === 'FITS' ? [] : [message]),
      '',
      ...reasonLines(plan),
      ...(placement?.host === undefined ? [] : ['', `Host: ${placement.host}`]),
    ].join('\n')
  },
  names: ({ verdict }) => [verdict],
}

export function reasonLines({ demand, hostsConsidered, rules, counterfactuals }: InstancePlan): string[] {
  const gpus = demand.gpus.map(({ type, count }) => `, ${count} x ${type}`).join('')
  const left = rules.at(-1)?.hostsLeft ?? hostsConsidered
  return [
    `Asked: ${demand.vcpus} ${demand.vcpus === 1 ? 'vCPU' : 'vCPUs'}, ${demand.memoryMib} MiB, ${demand.diskGb} GB of disk${gpus} in ${demand.zone}`,
    `Hosts: ${hostsConsidered}`,
    ...rules.map(
      (rule) => `  - ${rule.rule.padEnd(12)} ${bar(rule.hostsRefused, hostsConsidered)} ${rule.message}`,
    ),
    `  = ${'left'.padEnd(12)} ${bar(left, hostsConsidered)} ${left} ${left === 1 ? 'host' : 'hosts'}`,
    ...(counterfactuals.length === 0 ? [] : ['', 'It would fit:']),
    ...counterfactuals.map(
      (less) => `  ${less.message.replace(/ it would fit now\.$/, '')}  (${less.field}: ${less.value})`,
    ),
  ]
}

const width = 20

function bar(part: number, whole: number): string {
  const filled = whole === 0 ? 0 : Math.round((part / whole) * width)
  return `${'#'.repeat(filled)}${'.'.repeat(width - filled)}`
}
