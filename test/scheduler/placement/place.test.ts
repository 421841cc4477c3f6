import { describe, expect, it } from 'vitest'
import { projectId } from '../../../proto/ids.ts'
import type { Demand, HostDevice, HostSnapshot, Uplink } from '../../../scheduler/model/placement.ts'
import { place } from '../../../scheduler/placement/index.ts'
import { hashOf } from '../../../scheduler/placement/seed.ts'
import { devicesOf, exampleDemand, exampleHost } from './fleets.ts'

function placedOn(demand: Demand, hosts: readonly HostSnapshot[], seed = 'seed') {
  const verdict = place(demand, hosts, seed)
  if (verdict.kind !== 'placed') throw new Error(verdict.message)
  return { hostId: verdict.hostId, addresses: verdict.devices.map(({ address }) => address) }
}

const gpuDemand = (count: number): Demand => ({ ...exampleDemand, gpus: [{ type: 'h100', count }] })

describe('the choice of host', () => {
  it('keeps CPU-only demands off hosts with free GPUs, while there are others', () => {
    const gpuHost = exampleHost('gpu', { devices: devicesOf('h100@0'), vcpus: { capacity: 64, used: 60 } })
    expect(placedOn(exampleDemand, [gpuHost, exampleHost('cpu')]).hostId).toBe('cpu')
    expect(placedOn(exampleDemand, [gpuHost]).hostId).toBe('gpu')
  })

  it('takes the host where the fewest GPUs stay free', () => {
    const hosts = [
      exampleHost('eight', { devices: devicesOf('h100@0 h100@0 h100@0 h100@0 h100@1 h100@1 h100@1 h100@1') }),
      exampleHost('two', { devices: devicesOf('h100@0 h100@0') }),
    ]
    expect(placedOn(gpuDemand(2), hosts).hostId).toBe('two')
  })

  it('fills the host that is begun', () => {
    const begun = exampleHost('begun', { vcpus: { capacity: 64, used: 8 } })
    expect(placedOn(exampleDemand, [exampleHost('empty'), begun]).hostId).toBe('begun')
  })

  it('spreads equals by the seed', () => {
    const hosts = ['a', 'b', 'c', 'd'].map((id) => exampleHost(id))
    const chosen = Array.from({ length: 40 }, (_, seed) => placedOn(exampleDemand, hosts, `${seed}`).hostId)
    expect(new Set(chosen).size).toBe(4)
  })

  it('takes of equals the next on the ring from the seed on, wherever they are looked for', () => {
    const ids = ['a', 'b', 'c', 'd', 'e']
    const next = (seed: string, among: readonly string[]) => {
      const distanceOf = (id: string) => (hashOf(id) - hashOf(seed)) >>> 0
      return among.toSorted((a, b) => distanceOf(a) - distanceOf(b))[0]
    }
    const alike = ids.map((id) => exampleHost(id, { labels: { rack: 'r1' } }))
    const onRack = { ...exampleDemand, hostLabels: [{ kind: 'in', key: 'rack', values: ['r1'] }] } as const
    const inTwoPools = ['a', 'b'].map((id) => exampleHost(id, { features: [id] }))
    for (const seed of Array.from({ length: 20 }, (_, number) => `seed ${number}`)) {
      expect(placedOn(exampleDemand, alike, seed).hostId).toBe(next(seed, ids))
      expect(placedOn(onRack, alike, seed).hostId).toBe(next(seed, ids))
      expect(placedOn(exampleDemand, inTwoPools, seed).hostId).toBe(next(seed, ['a', 'b']))
    }
  })
})

describe('devices that are not as they should be', () => {
  const [first, second, third, fourth] = devicesOf('h100@0 h100@0 h100@0 h100@0')
  if (!first || !second || !third || !fourth) throw new Error('There are four of them.')
  const devices: readonly HostDevice[] = [
    { ...first, state: 'QUARANTINED', reason: 'RESET_FAILED' },
    { ...second, unscrubbedProject: 'shop' },
    { ...third, state: 'SCRUBBING' },
    { ...fourth, isAwaited: true },
  ]
  const own = { ...gpuDemand(1), project: projectId('shop') }
  const others = { ...gpuDemand(1), project: projectId('lab') }

  it('are given to nobody, but what is unscrubbed to its own project, or anybody where the zone says so', () => {
    const host = exampleHost('h', { devices })
    expect(placedOn(own, [host]).addresses).toEqual([second.address])
    expect(place(others, [host], 'seed').kind).toBe('not-now')
    expect(place(gpuDemand(1), [host], 'seed').kind).toBe('not-now')
    const reused = { ...host, unscrubbedDevices: 'reuse' } as const
    expect(placedOn(others, [reused]).addresses).toEqual([second.address])
    const several = exampleHost('h', { devices: [{ ...second, unscrubbedProject: '*' }] })
    expect(place(own, [several], 'seed').kind).toBe('not-now')
  })

  it('are counted in the refusal, by what is wrong with them', () => {
    const verdict = place(
      others,
      [exampleHost('h', { devices: [...devices, { ...first, claimedBy: 'x' }] })],
      's',
    )
    expect(verdict.explanation.refusals[0]?.message).toBe(
      "it has 0 of 5 h100 free and 1 are needed: 1 is quarantined (RESET_FAILED), 1 is unscrubbed after another project, 1 is being reset and scrubbed after the last guest, 1 waits for an operator's command to be carried out",
    )
  })
})

describe('the choice of devices', () => {
  const on = (text: string) => [exampleHost('h', { devices: devicesOf(text) })]

  it('is one NUMA node where one has enough, the one with the fewest left over', () => {
    expect(placedOn(gpuDemand(2), on('h100@0 h100@0 h100@0 h100@1 h100@1')).addresses).toEqual([
      '0000:13:00.0',
      '0000:14:00.0',
    ])
  })

  it('touches as few nodes as it can where none has enough', () => {
    expect(placedOn(gpuDemand(3), on('h100@0 h100@1 h100@1 h100@2')).addresses).toEqual([
      '0000:11:00.0',
      '0000:12:00.0',
      '0000:13:00.0',
    ])
  })

  it('leaves claimed and absent ones alone', () => {
    expect(placedOn(gpuDemand(1), on('h100@0* h100@0- h100@0')).addresses).toEqual(['0000:12:00.0'])
  })
})

describe('GPUs that NVSwitches join', () => {
  const text = 'h100@0 h100@0 h100@0 h100@0 h100@1 h100@1 h100@1 h100@1'
  const addresses = devicesOf(text).map(({ address }) => address)
  const at = (...indexes: number[]) => indexes.flatMap((index) => addresses[index] ?? [])
  /** Pairs are not neighbours by address. */
  const partitions = [
    ...[at(0, 1, 2, 3, 4, 5, 6, 7), at(0, 1, 2, 3), at(4, 5, 6, 7)],
    ...[at(0, 2), at(1, 3), at(4, 6), at(5, 7)],
    ...addresses.map((address) => [address]),
  ]
  const joined = (claims: readonly number[] = []) =>
    exampleHost('h', {
      partitions,
      devices: devicesOf(text).map((device, index) =>
        claims.includes(index) ? { ...device, claimedBy: 'somebody' } : device,
      ),
    })
  const refusalOf = (demand: Demand, host: HostSnapshot) => {
    const verdict = place(demand, [host], 'seed')
    return { kind: verdict.kind, message: verdict.explanation.refusals[0]?.message }
  }

  it('go to a guest by whole partitions', () => {
    expect(placedOn(gpuDemand(2), [joined()]).addresses).toEqual(at(0, 2))
    expect(placedOn(gpuDemand(4), [joined([0])]).addresses).toEqual(at(4, 5, 6, 7))
    expect(placedOn(gpuDemand(8), [joined()]).addresses).toEqual(addresses)
  })

  it('are taken where the fewest larger partitions are spoilt', () => {
    expect(placedOn(gpuDemand(1), [joined([5])]).addresses).toEqual(at(7))
    expect(placedOn(gpuDemand(2), [joined([4])]).addresses).toEqual(at(5, 7))
  })

  it('are refused where none of their partitions is free, although enough of them are', () => {
    expect(refusalOf(gpuDemand(2), joined([0, 1, 4, 5]))).toEqual({
      kind: 'not-now',
      message: 'NVSwitches join its h100, and none of their partitions of 2 is free',
    })
    expect(refusalOf(gpuDemand(4), joined([0, 1, 2, 4, 5]))).toEqual({
      kind: 'not-now',
      message: 'it has 3 of 8 h100 free and 4 are needed',
    })
  })

  it('are refused for good where there is no such partition', () => {
    expect(refusalOf(gpuDemand(3), joined())).toEqual({
      kind: 'never-fits',
      message: 'NVSwitches join its h100, and a guest gets 1, 2, 4, 8 of them',
    })
    const full = joined(addresses.map((_, index) => index))
    for (const count of [5, 6]) {
      expect(refusalOf(gpuDemand(count), full)).toEqual(refusalOf(gpuDemand(3), joined()))
    }
    const busy = { ...full, vcpus: { ...full.vcpus, used: full.vcpus.capacity } }
    expect(refusalOf(gpuDemand(6), busy)).toEqual(refusalOf(gpuDemand(3), joined()))
    expect(refusalOf(gpuDemand(1), { ...joined(), partitions: [] })).toMatchObject({
      kind: 'never-fits',
      message: expect.stringContaining('a guest gets none of them'),
    })
    const two: Demand = { ...exampleDemand, gpus: [...gpuDemand(1).gpus, { type: 'l40s', count: 1 }] }
    const host = { ...joined(), devices: [...joined().devices, ...devicesOf('l40s@0')] }
    expect(refusalOf(two, host)).toMatchObject({ kind: 'never-fits' })
  })
})

describe('the sentence of a refusal', () => {
  it('has counts for each rule and the nearest miss', () => {
    const verdict = place(
      gpuDemand(4),
      [
        exampleHost('a', { devices: devicesOf('h100@0 h100@0* h100@0* h100@0*') }),
        exampleHost('b', { devices: devicesOf('h100@0 h100@0 h100@0 h100@0*') }),
        exampleHost('c', { connected: false, devices: devicesOf('h100@0 h100@0 h100@0 h100@0') }),
        exampleHost('d'),
        exampleHost('e', { zone: 'z2' as never }),
      ],
      'seed',
    )
    expect(verdict).toMatchObject({
      kind: 'not-now',
      message:
        'None of the 4 hosts of zone z1 has room for 4 vCPUs, 4096 MiB, 10 GB of disk, 4 × h100: 1 not ready, 1 no such GPU, 2 too few GPUs free. The nearest: it has 3 of 4 h100 free and 4 are needed. Try again later, or ask for less.',
    })
    expect(verdict.explanation.refusals.map(({ rule }) => rule)).toEqual([
      'gpu-count',
      'gpu-count',
      'host-ready',
      'gpu-model',
      'zone',
    ])
  })

  it('says which uplink is missing, or too narrow', () => {
    const demand = { ...exampleDemand, uplinks: [{ physicalNetwork: 'blue', mtu: 9000 }] }
    const on = (...uplinks: readonly Uplink[]) => place(demand, [exampleHost('a', { uplinks })], 'seed')
    expect(on({ physicalNetwork: 'blue', mtu: 9000 }).kind).toBe('placed')
    expect(on({ physicalNetwork: 'red', mtu: 9000 })).toMatchObject({
      kind: 'never-fits',
      message: expect.stringContaining('it has no uplink of physical network blue'),
    })
    expect(on({ physicalNetwork: 'blue', mtu: 1500 })).toMatchObject({
      kind: 'never-fits',
      message: expect.stringContaining('has an MTU of 1500, and 9000 is needed'),
    })
  })

  it('speaks of one vCPU as one', () => {
    const verdict = place({ ...exampleDemand, vcpus: 1 }, [exampleHost('a', { connected: false })], 'seed')
    expect(verdict).toMatchObject({ message: expect.stringContaining('room for 1 vCPU, ') })
  })

  it('says that it will never fit, and what to do', () => {
    expect(place({ ...exampleDemand, vcpus: 65 }, [exampleHost('a')], 'seed')).toMatchObject({
      kind: 'never-fits',
      message: expect.stringContaining(
        'it has 64 of 64 vCPUs free and 65 are needed. No host of this zone can ever',
      ),
    })
  })

  it('says that there are no hosts', () => {
    expect(place(exampleDemand, [], 'seed')).toMatchObject({
      kind: 'never-fits',
      message: 'Zone z1 has no hosts.',
    })
  })
})
