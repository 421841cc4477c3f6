import fc from 'fast-check'
import { hostId, type PciAddress, pciAddress, projectId, zoneId } from '../../../proto/ids.ts'
import type {
  Demand,
  HostDevice,
  HostSnapshot,
  LabelSelector,
  Occupant,
} from '../../../scheduler/model/placement.ts'

// Small fleets in which everything that placement knows of occurs, and often.

const groups = ['web', 'db'] as const
/** For those who decide by when instances end. */
export const rightNowMs = 1_000_000_000
const counter = (maximum: number) =>
  fc
    .integer({ min: 0, max: maximum })
    .chain((capacity) => fc.integer({ min: 0, max: capacity }).map((used) => ({ capacity, used })))
const roomy = fc.oneof(
  counter(16),
  fc.integer({ min: 8, max: 16 }).map((capacity) => ({ capacity, used: 0 })),
)

/** Mostly undefined: all at once, nothing would ever fit. */
const rarely = <Value>(arbitrary: fc.Arbitrary<Value>): fc.Arbitrary<Value | undefined> =>
  fc.oneof({ weight: 4, arbitrary: fc.constant(undefined) }, { weight: 1, arbitrary })

const device = fc.record({
  acceleratorType: fc.constantFrom('h100', 'h100', 'h100', 'l40s', undefined),
  numaNode: fc.constantFrom(-1, 0, 0, 1, 1),
  switchId: fc.constantFrom(undefined, 'a', 'b', 'c'),
  present: fc.constantFrom(true, true, true, false),
  isClaimed: fc.constantFrom(false, false, true),
  unscrubbedProject: fc.constantFrom(undefined, undefined, undefined, 'p1', 'p2', '*'),
})

const occupant = fc.record({
  groups: fc.constantFrom(undefined, ['web'], ['db'], ['web', 'db']),
  isolation: rarely(fc.constantFrom('shared', 'host')),
  expectedEndMs: fc.option(
    fc.constantFrom(-36_000_000, -1000, 600_000, 36_000_000).map((inMs) => rightNowMs + inMs),
    { nil: undefined },
  ),
})

/** Of a size that most demands fit, and some never do. */
const cell = (numaNode: number) =>
  fc.record({ numaNode: fc.constant(numaNode), vcpus: counter(8), memoryMib: counter(8) })

const host = fc.record({
  zone: fc.constantFrom('z1', 'z1', 'z1', 'z1', 'z2'),
  state: fc.constantFrom('ready', 'ready', 'ready', 'cordoned'),
  connected: fc.constantFrom(true, true, true, false),
  architecture: fc.constantFrom('x86_64', 'x86_64', 'x86_64', 'aarch64'),
  features: fc.constantFrom(undefined, ['nat'], ['nat', 'uefi']),
  vcpus: roomy,
  memoryMib: roomy,
  diskGb: roomy,
  devices: fc.array(device, { maxLength: 6 }),
  cells: fc
    .constantFrom(undefined, [0, 1], [0, 1])
    .chain((nodes) => (nodes === undefined ? fc.constant(undefined) : fc.tuple(cell(0), cell(1)))),
  isEmpty: fc.boolean(),
  occupants: fc.array(occupant, { maxLength: 2 }),
  keptFor: rarely(fc.constantFrom('w1', 'w2')),
  labels: fc.constantFrom(undefined, { rack: 'r1' }, { rack: 'r2' }, { rack: 'r2', tier: 'x' }),
  partitions: fc.option(fc.array(fc.subarray([0, 1, 2, 3], { minLength: 1 }), { maxLength: 6 }), {
    nil: undefined,
    freq: 3,
  }),
  unscrubbedDevices: fc.constantFrom(undefined, 'quarantine', 'reuse'),
})

const defined = <Value>(name: string, value: Value | undefined) =>
  value === undefined ? {} : { [name]: value }

const addressOf = (index: number): PciAddress => pciAddress(`0000:0${index}:00.0`)

export const hostNames = Array.from({ length: 10 }, (_, number) => hostId(`host-${number}`))

export const richHosts: fc.Arbitrary<HostSnapshot> = fc
  .tuple(host, fc.constantFrom(...hostNames))
  .map(([{ isEmpty, ...one }, id]) => {
    const empty = (value: HostSnapshot['vcpus']) => (isEmpty ? { ...value, used: 0 } : value)
    return {
      ...{ hostId: id, zone: zoneId(one.zone), state: one.state, connected: one.connected },
      ...{ architecture: one.architecture, diskGb: one.diskGb },
      ...{ vcpus: empty(one.vcpus), memoryMib: empty(one.memoryMib) },
      ...defined(
        'cells',
        one.cells?.map(({ numaNode, vcpus, memoryMib }) => ({
          ...{ numaNode, vcpus: empty(vcpus), memoryMib: empty(memoryMib) },
        })),
      ),
      ...defined('features', one.features),
      ...defined('labels', one.labels),
      ...defined('keptFor', one.keptFor),
      ...defined('unscrubbedDevices', one.unscrubbedDevices),
      ...defined(
        'partitions',
        one.partitions?.map((indexes) => indexes.map(addressOf)),
      ),
      occupants: isEmpty
        ? []
        : one.occupants.map(
            ({ groups: names, isolation, expectedEndMs }, index): Occupant => ({
              uid: `${id}-${index}`,
              ...defined('groups', names),
              ...defined('isolation', isolation),
              ...defined('expectedEndMs', expectedEndMs),
            }),
          ),
      devices: one.devices.map(
        (
          { acceleratorType, switchId, isClaimed, unscrubbedProject, numaNode, present },
          index,
        ): HostDevice => ({
          ...{ address: addressOf(index), numaNode, present },
          ...defined('acceleratorType', acceleratorType),
          ...defined('switchId', switchId),
          ...defined('unscrubbedProject', unscrubbedProject),
          ...defined('claimedBy', isClaimed && !isEmpty ? 'somebody' : undefined),
        }),
      ),
    }
  })

/** Each name once. */
export const richFleets: fc.Arbitrary<readonly HostSnapshot[]> = fc.uniqueArray(richHosts, {
  maxLength: 9,
  selector: (one) => one.hostId,
})

const selector: fc.Arbitrary<LabelSelector> = fc.oneof(
  fc.record({
    kind: fc.constantFrom('in', 'not-in'),
    key: fc.constantFrom('rack', 'tier'),
    values: fc.constantFrom(['r1'], ['r2'], ['r1', 'r2'], ['x']),
  }),
  fc.record({ kind: fc.constantFrom('exists', 'absent'), key: fc.constantFrom('rack', 'tier') }),
)

const wish = fc
  .record({
    type: fc.constantFrom('h100', 'l40s'),
    count: fc.integer({ min: 1, max: 4 }),
    topology: fc.constantFrom(undefined, 'any', 'same-numa', 'same-switch', 'fabric'),
    isEither: fc.boolean(),
  })
  .map(({ type, count, topology, isEither }) => ({
    ...{ type, count },
    ...defined('topology', topology),
    ...(isEither ? { alternatives: [type === 'h100' ? 'l40s' : 'h100'] } : {}),
  }))

const plainWishes = fc.uniqueArray(
  fc.record({ type: fc.constantFrom('h100', 'l40s'), count: fc.integer({ min: 1, max: 3 }) }),
  { maxLength: 2, selector: ({ type }) => type },
)

export const richDemands: fc.Arbitrary<Demand> = fc
  .record({
    project: fc.constantFrom('p1', 'p3'),
    vcpus: fc.integer({ min: 1, max: 5 }),
    memoryMib: fc.integer({ min: 1, max: 5 }),
    diskGb: fc.integer({ min: 0, max: 5 }),
    gpus: fc.oneof(
      wish.map((one) => [one]),
      wish.map((one) => [one]),
      plainWishes,
    ),
    features: rarely(fc.constantFrom(['nat'], ['uefi'])),
    isolation: rarely(fc.constantFrom('shared', 'host')),
    hostLabels: rarely(fc.array(selector, { maxLength: 2 })),
    groups: fc.constantFrom(undefined, ['web'], ['db']),
    affinity: rarely(fc.subarray([...groups])),
    antiAffinity: rarely(fc.subarray([...groups])),
    packing: fc.constantFrom(undefined, 'pack', 'spread'),
    ticket: rarely(fc.constantFrom('w1', 'w2')),
    expectedLifetimeS: fc.constantFrom(undefined, 60, 7200),
  })
  .map(({ project, vcpus, memoryMib, diskGb, gpus, ...wishes }) => ({
    ...{ zone: zoneId('z1'), project: projectId(project), architecture: 'x86_64' },
    ...{ vcpus, memoryMib, diskGb, gpus },
    ...Object.fromEntries(Object.entries(wishes).filter(([, value]) => value !== undefined)),
  }))
