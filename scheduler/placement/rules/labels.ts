import type { LabelSelector } from '../../model/placement.ts'
import type { HostTraits } from '../counted-host.ts'
import { lacksForGood, type Rule } from '../rule.ts'

/** What an operator has written on the host is as the request wants it. */
export const labels: Rule = {
  name: 'labels',
  holds: ({ hostLabels = [] }, { host }) => hostLabels.every((selector) => matches(host, selector)),
  explain: ({ hostLabels = [] }, { host }) => {
    const broken = hostLabels.filter((selector) => !matches(host, selector))
    const sentence = () => broken.map((selector) => describe(host, selector)).join(', ')
    return lacksForGood(sentence, broken.length / hostLabels.length)
  },
}

function matches({ labels = {} }: HostTraits, selector: LabelSelector): boolean {
  const value = labels[selector.key]
  switch (selector.kind) {
    case 'in':
      return value !== undefined && selector.values.includes(value)
    case 'not-in':
      return value === undefined || !selector.values.includes(value)
    case 'exists':
      return value !== undefined
    case 'absent':
      return value === undefined
  }
}

function describe({ labels = {} }: HostTraits, selector: LabelSelector): string {
  const { kind, key } = selector
  const value = labels[key]
  const is = value === undefined ? `it has no label ${key}` : `its label ${key} is ${value}`
  return kind === 'in' && value !== undefined ? `${is}, not ${selector.values.join(' or ')}` : is
}
