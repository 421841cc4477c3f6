import fc from 'fast-check'
import { hostId, pciAddress, projectId, zoneId } from '../../../proto/ids.ts'
import type { Demand, HostDevice, HostSnapshot } from '../../../scheduler/model/placement.ts'

const gpuTypes = ['h100', 'l40s'] as const

export const exampleDemand: Demand = {
  ...{ zone: zoneId('z1'), vcpus: 4, memoryMib: 4096, diskGb: 10, gpus: [] },
  architecture: 'x86_64',
}

export function exampleHost(id: string, changes: Partial<HostSnapshot> = {}): HostSnapshot {
  return {
    ...{ hostId: hostId(id), zone: zoneId('z1'), state: 'ready', connected: true, architecture: 'x86_64' },
    vcpus: { capacity: 64, used: 0 },
    memoryMib: { capacity: 65_536, used: 0 },
    diskGb: { capacity: 1000, used: 0 },
    devices: [],
    ...changes,
  }
}

/** `h100@0 h100@1 l40s@0*`: type, NUMA node, and a star where it is claimed, a minus where it is absent. */
export function devicesOf(text: string): readonly HostDevice[] {
  return text.split(' ').map((word, index) => {
    const [, acceleratorType = '', node = '', mark] = /^(.+)@(-?\d+)([*-])?$/.exec(word) ?? []
    return {
      address: pciAddress(`0000:${(index + 16).toString(16)}:00.0`),
      ...{ acceleratorType, numaNode: Number(node), present: mark !== '-' },
      ...(mark === '*' ? { claimedBy: 'somebody' } : {}),
    }
  })
}

const counter = (maximum: number) =>
  fc
    .integer({ min: 0, max: maximum })
    .chain((capacity) => fc.integer({ min: 0, max: capacity }).map((used) => ({ capacity, used })))

const device = fc.record({
  acceleratorType: fc.constantFrom(...gpuTypes, undefined),
  numaNode: fc.constantFrom(-1, 0, 1),
  present: fc.boolean(),
  isClaimed: fc.boolean(),
  state: fc.constantFrom(undefined, undefined, undefined, 'FREE', 'SCRUBBING', 'QUARANTINED'),
  unscrubbedProject: fc.constantFrom(undefined, undefined, 'p1', 'p2'),
  isAwaited: fc.constantFrom(undefined, undefined, true),
})

const host = fc.record({
  zone: fc.constantFrom('z1', 'z1', 'z2'),
  state: fc.constantFrom('ready', 'ready', 'cordoned'),
  connected: fc.constantFrom(true, true, false),
  architecture: fc.constantFrom('x86_64', 'x86_64', 'aarch64'),
  vcpus: counter(16),
  memoryMib: counter(16),
  diskGb: counter(16),
  devices: fc.array(device, { maxLength: 6 }),
  unscrubbedDevices: fc.constantFrom(undefined, 'quarantine', 'reuse'),
})

export const fleets: fc.Arbitrary<readonly HostSnapshot[]> = fc.array(host, { maxLength: 8 }).map((hosts) =>
  hosts.map(({ unscrubbedDevices, ...one }, hostIndex) => ({
    ...one,
    ...(unscrubbedDevices === undefined ? {} : { unscrubbedDevices }),
    hostId: hostId(`host-${hostIndex}`),
    zone: zoneId(one.zone),
    devices: one.devices.map(
      ({ acceleratorType, numaNode, present, isClaimed, state, unscrubbedProject, isAwaited }, index) => ({
        ...{ address: pciAddress(`0000:0${index}:00.0`), numaNode, present },
        ...(acceleratorType === undefined ? {} : { acceleratorType }),
        ...(isClaimed ? { claimedBy: 'somebody' } : {}),
        ...(state === undefined ? {} : { state }),
        ...(unscrubbedProject === undefined ? {} : { unscrubbedProject }),
        ...(isAwaited === undefined ? {} : { isAwaited }),
      }),
    ),
  })),
)

export const demands: fc.Arbitrary<Demand> = fc.record({
  zone: fc.constant(zoneId('z1')),
  project: fc.constantFrom(projectId('p1'), projectId('p3')),
  vcpus: fc.integer({ min: 1, max: 8 }),
  memoryMib: fc.integer({ min: 1, max: 8 }),
  diskGb: fc.integer({ min: 0, max: 8 }),
  gpus: fc.uniqueArray(
    fc.record({ type: fc.constantFrom(...gpuTypes), count: fc.integer({ min: 1, max: 3 }) }),
    { maxLength: 2, selector: ({ type }) => type },
  ),
  architecture: fc.constant('x86_64'),
})
