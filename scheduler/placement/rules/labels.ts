import { matchesLabel } from '../../model/neighbours.ts'
import type { LabelSelector } from '../../model/placement.ts'
import type { HostTraits } from '../counted-host.ts'
import { lacksForGood, type Rule } from '../rule.ts'

/** What an operator has written on the host is as the request wants it. */
export const labels: Rule = {
  name: 'labels',
  holds: ({ hostLabels = [] }, { host }) =>
    hostLabels.every((selector) => matchesLabel(host.labels ?? noLabels, selector)),
  explain: ({ hostLabels = [] }, { host }) => {
    const broken = hostLabels.filter((selector) => !matchesLabel(host.labels ?? noLabels, selector))
    const sentence = () => broken.map((selector) => describe(host, selector)).join(', ')
    return lacksForGood(sentence, broken.length / hostLabels.length)
  },
}

const noLabels = {}

function describe({ labels = {} }: HostTraits, selector: LabelSelector): string {
  const { kind, key } = selector
  const value = labels[key]
  const is = value === undefined ? `it has no label ${key}` : `its label ${key} is ${value}`
  return kind === 'in' && value !== undefined ? `${is}, not ${selector.values.join(' or ')}` : is
}
