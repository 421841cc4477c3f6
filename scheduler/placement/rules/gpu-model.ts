import { isWanted, stocksFor } from '../devices.ts'
import { lacksForGood, type Rule } from '../rule.ts'

/** The host has GPUs of every asked type at all. */
export const gpuModel: Rule = {
  name: 'gpu-model',
  holds: (demand, host) => {
    const [only, another] = demand.gpus
    if (only === undefined) return true
    if (another === undefined) return host.stocks.some(({ type }) => isWanted(only, type))
    return stocksFor(demand, host).every((found) => found !== undefined)
  },
  explain: (demand, host) => {
    const lacking = demand.gpus[stocksFor(demand, host).indexOf(undefined)]
    return lacksForGood(() => {
      const { type = 'GPU', alternatives = [] } = lacking ?? {}
      return `it has no ${[type, ...alternatives].join(' or ')}`
    })
  },
}
