// Does the fleet stay fit for large requests while instances come and go? npm run bench:churn -- [--hosts 200] [--load 0.9]
// [--seed S] [--arrivals 100000] [--hint-error 0] [--json]
//
// Hosts of 8 GPUs, requests for 1, 2, 4 and 8 of them. A guest with GPUs can't be moved: where each goes decides whether
// there is ever an empty host again. Every policy sees the same requests. `berth` is told with each how long it will be
// there, which it uses and others have no use for; `berth-without-hints` is not told. `--hint-error` makes what it is told
// wrong, 1 about threefold. Then requests for GPUs near to one another are counted, with hints that are true.
import { parseArgs } from 'node:util'
import { seededRandom } from '../../lib/random.ts'
import { CountedHost } from '../../scheduler/placement/counted-host.ts'
import { say } from '../figures.ts'
import { bestFit, dotProduct, firstFit, largestOf, random } from '../placement/baselines.ts'
import { berth, linear } from '../placement/policy.ts'
import { churnOf } from './events.ts'
import { hintsOf } from './hints.ts'
import { measureNear } from './near.ts'
import { type Churned, churn, emptyHosts, gpusPerHost } from './run.ts'

const { values } = parseArgs({
  options: {
    hosts: { type: 'string', default: '200' },
    load: { type: 'string', default: '0.9' },
    seed: { type: 'string', default: '1' },
    arrivals: { type: 'string', default: '100000' },
    'hint-error': { type: 'string', default: '0' },
    policies: { type: 'string' },
    json: { type: 'boolean', default: false },
  },
})

const hosts = emptyHosts(Number(values.hosts))
const gpus = hosts.length * gpusPerHost
const shape = { gpus, load: Number(values.load), count: Number(values.arrivals) }
const events = churnOf(shape, seededRandom(`churn ${values.seed}`))
const hint = hintsOf(Number(values['hint-error']), shape.count, seededRandom(`hints ${values.seed}`))
const largest = largestOf(hosts.map((host) => new CountedHost(host)))
const makers = {
  berth,
  'berth-without-hints': berth,
  random: linear(random),
  'first-fit': linear(firstFit),
  'best-fit': linear(bestFit(largest)),
  'dot-product': linear(dotProduct(largest)),
}
const only = values.policies?.split(',')
const policies: Record<string, Churned> = {}
for (const [name, maker] of Object.entries(makers)) {
  if (only !== undefined && !only.includes(name)) continue
  const isTold = name === 'berth'
  policies[name] = churn(maker(hosts), events, { hosts, seed: values.seed, hint: isTold ? hint : undefined })
}
const near = measureNear(values.seed)
if (values.json) {
  const rounded = Object.entries(policies).map(([name, found]) => [
    name,
    Object.fromEntries(Object.entries(found).map(([key, value]) => [key, Number(value.toFixed(3))])),
  ])
  process.stdout.write(`${JSON.stringify({ policies: Object.fromEntries(rounded), near })}\n`)
} else {
  say('hosts, GPUs, requests, load', `${hosts.length}, ${gpus}, ${values.arrivals}, ${values.load}`)
  for (const [name, { refused8Percent, refusedWhileHostEmpty, acceptedGpuPercent }] of Object.entries(
    policies,
  )) {
    say(
      name,
      `${refused8Percent.toFixed(3)} % of requests for 8 refused although 8 were free, ${refusedWhileHostEmpty} with a host empty; ${acceptedGpuPercent.toFixed(2)} % of GPUs given`,
    )
  }
  for (const [name, percent] of Object.entries(near)) {
    say(`${name.replace('Percent', '')} requests that could be served`, `${percent.toFixed(2)} % were`)
  }
}
