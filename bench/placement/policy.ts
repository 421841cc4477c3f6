import type { HostId } from '../../proto/ids.ts'
import type { CellShare, Demand, GrantedDevice, HostSnapshot } from '../../scheduler/model/placement.ts'
import type { Claim } from '../../scheduler/placement/claim.ts'
import { CountedHost } from '../../scheduler/placement/counted-host.ts'
import { chooseDevices } from '../../scheduler/placement/devices.ts'
import { FleetIndex } from '../../scheduler/placement/index.ts'
import { fits } from '../../scheduler/placement/pipeline.ts'

export interface Choice {
  readonly hostId: HostId
  readonly devices: readonly GrantedDevice[]
  readonly cells?: readonly CellShare[]
}

/** A fleet, and a way to choose in it. */
export interface Policy {
  choose(demand: Demand, seed: string, nowMs?: number): Choice | undefined
  claim(hostId: HostId, claim: Claim): void
  release(hostId: HostId, claim: Claim): void
}

export const berth = (hosts: readonly HostSnapshot[]): Policy => {
  const index = new FleetIndex()
  for (const host of hosts) index.put(host)
  return {
    choose: (demand, seed, nowMs) => index.decide(demand, seed, nowMs),
    claim: (hostId, claim) => index.claim(hostId, claim),
    release: (hostId, claim) => index.release(hostId, claim),
  }
}

/** The higher, the better; equals by the order of the hosts. */
export type Rate = (demand: Demand, host: CountedHost, seed: string) => number

/** Looks at every host, with Berth's rules and Berth's choice of devices. */
export const linear =
  (rate: Rate) =>
  (hosts: readonly HostSnapshot[]): Policy => {
    const fleet = new Map(hosts.map((host) => [host.hostId, new CountedHost(host)]))
    const hostOf = (hostId: HostId): CountedHost => {
      const counted = fleet.get(hostId)
      if (counted === undefined) throw new Error(`There is no host ${hostId}.`)
      return counted
    }
    return {
      choose: (demand, seed) => {
        let best: { host: CountedHost; score: number } | undefined
        for (const host of fleet.values()) {
          if (host.freeVcpus < demand.vcpus || host.freeMemoryMib < demand.memoryMib) continue
          if (!fits(demand, host)) continue
          const score = rate(demand, host, seed)
          if (best === undefined || score > best.score) best = { host, score }
        }
        return best && { hostId: best.host.host.hostId, devices: chooseDevices(demand, best.host) }
      },
      claim: (hostId, claim) => hostOf(hostId).claim(claim),
      release: (hostId, claim) => hostOf(hostId).release(claim),
    }
  }
