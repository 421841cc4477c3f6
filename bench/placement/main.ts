// How well and how fast are instances placed? npm run bench:placement -- [--nodes F --pods F] [--replicate K] [--load 1.3]
// [--seed S] [--cells] [--json]
//
// Arrivals of a trace in openb's format (CSV files of nodes and pods), nobody leaves, until the requested GPUs are `load`
// times those that there are. Without files a trace of the same proportions is drawn. Every policy sees the same arrivals,
// and has Berth's rules and Berth's choice of devices. Policies other than Berth's look at every host. With --cells each host
// tells of two NUMA cells, which only Berth's policy counts. Then plans are asked of 10,000 such hosts, and explained.
import { parseArgs } from 'node:util'
import { seededRandom } from '../../lib/random.ts'
import type { Demand, HostSnapshot } from '../../scheduler/model/placement.ts'
import { CountedHost } from '../../scheduler/placement/counted-host.ts'
import { say } from '../figures.ts'
import { arrivalsOf } from './arrivals.ts'
import { bestFit, dotProduct, firstFit, largestOf, random } from './baselines.ts'
import { explainOnFull } from './explain.ts'
import { fgd } from './fgd.ts'
import { generateTrace } from './generated-trace.ts'
import { berth, linear, type Policy } from './policy.ts'
import { type Replayed, replay } from './replay.ts'
import { demandOf, gpusIn, hostsOf, modelsOf, readNodes, readPods } from './trace.ts'

/** Of more hosts, policies that look at each take hours. */
const mostForLinear = 4000
/** For the compiler of the runtime to have seen everything. */
const warmUpArrivals = 4000

const { values } = parseArgs({
  options: {
    nodes: { type: 'string' },
    pods: { type: 'string' },
    replicate: { type: 'string', default: '1' },
    load: { type: 'string', default: '1.3' },
    seed: { type: 'string', default: '1' },
    policies: { type: 'string' },
    cells: { type: 'boolean', default: false },
    json: { type: 'boolean', default: false },
  },
})

const trace =
  values.nodes !== undefined && values.pods !== undefined
    ? { nodes: readNodes(values.nodes), pods: readPods(values.pods) }
    : generateTrace(seededRandom(`trace ${values.seed}`))
const hosts = hostsOf(trace.nodes, Number(values.replicate), { hasCells: values.cells })
const models = modelsOf(trace.nodes)
const demands = trace.pods.map((pod) => demandOf(pod, models))
const gpus = gpusIn(hosts)
const arrivals = arrivalsOf(demands, gpus * Number(values.load), seededRandom(`arrivals ${values.seed}`))

const makers = policiesFor(hosts, demands)
const names = values.policies?.split(',') ?? Object.keys(makers)
const leftOut = hosts.length > mostForLinear ? names.filter((name) => name !== 'berth') : []
const policies: Record<string, Replayed> = {}
for (const name of names) {
  const maker = makers[name]
  if (maker === undefined) throw new Error(`There is no policy ${name}: ${Object.keys(makers).join(', ')}.`)
  if (leftOut.includes(name)) continue
  const options = { gpus, seed: values.seed }
  if (name === 'berth') replay(maker(hosts), arrivals.slice(0, warmUpArrivals), options)
  policies[name] = replay(maker(hosts), arrivals, options)
}
const explained = explainOnFull(trace.nodes, demands, values.seed)
if (values.json) printJson()
else printText()

function policiesFor(
  fleet: readonly HostSnapshot[],
  pool: readonly Demand[],
): Readonly<Record<string, (hosts: readonly HostSnapshot[]) => Policy>> {
  const largest = largestOf(fleet.map((host) => new CountedHost(host)))
  return {
    berth,
    random: linear(random),
    'first-fit': linear(firstFit),
    'best-fit': linear(bestFit(largest)),
    'dot-product': linear(dotProduct(largest)),
    fgd: linear(fgd(pool)),
  }
}

function printJson(): void {
  const figures = Object.entries(policies).map(([name, found]) => [name, roundAll(found)])
  const result = {
    hosts: hosts.length,
    gpus,
    policies: Object.fromEntries(figures),
    leftOut,
    explain: roundAll(explained),
  }
  process.stdout.write(`${JSON.stringify(result)}\n`)
}

function roundAll(figures: object): Readonly<Record<string, number>> {
  return Object.fromEntries(Object.entries(figures).map(([key, value]) => [key, Number(value.toFixed(3))]))
}

function printText(): void {
  say('hosts, GPUs, arrivals', `${hosts.length}, ${gpus}, ${arrivals.length}`)
  for (const [name, found] of Object.entries(policies)) {
    const {
      allocatedPercent,
      decisionsPerSecond,
      decisionsPerCpuSecond,
      p50Micros,
      p99Micros,
      refused,
      refusalMicros,
    } = found
    say(
      name,
      `${allocatedPercent.toFixed(3)} % of GPUs, ${Math.round(decisionsPerSecond)} decisions/s (${Math.round(decisionsPerCpuSecond)} by processor time), p50 ${p50Micros.toFixed(1)} µs, p99 ${p99Micros.toFixed(1)} µs; ${refused} refused, ${refusalMicros.toFixed(1)} µs each`,
    )
  }
  const { hosts: hostsAsked, p50Millis, p99Millis, refused } = explained
  say(
    `plans, explained, of ${hostsAsked} hosts nearly full`,
    `p50 ${p50Millis.toFixed(1)} ms, p99 ${p99Millis.toFixed(1)} ms; ${refused} refused`,
  )
  if (leftOut.length > 0) {
    say('left out, for they look at every host', `${leftOut.join(', ')} (more than ${mostForLinear} hosts)`)
  }
}
