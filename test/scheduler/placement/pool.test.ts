import { describe, expect, it } from 'vitest'
import type { HostSnapshot } from '../../../scheduler/model/placement.ts'
import { CountedHost } from '../../../scheduler/placement/counted-host.ts'
import { isAlike } from '../../../scheduler/placement/pool.ts'
import { devicesOf, exampleHost } from './fleets.ts'

const hostWith = (traits: Partial<HostSnapshot>) =>
  new CountedHost(exampleHost('h', { devices: devicesOf('h100@0'), features: ['nat', 'uefi'], ...traits }))

describe('hosts of one pool', () => {
  it('are alike in what they can do, not in the objects that say so', () => {
    const host = hostWith({})
    expect(isAlike(host, hostWith({}))).toBe(true)
    expect(isAlike(host, hostWith({ features: ['uefi', 'nat'] }))).toBe(true)
    for (const traits of [
      { features: ['nat'] },
      { uplinks: [{ physicalNetwork: 'p', mtu: 1500 }] },
      { architecture: 'aarch64' },
      { partitions: [] },
      { devices: devicesOf('l40s@0') },
    ]) {
      expect(isAlike(host, hostWith(traits))).toBe(false)
    }
  })
})
