// A cluster that peers and Berth are put before alike: its hosts, what is on them already, and the request.
import { hostId, pciAddress, zoneId } from '../../proto/ids.ts'
import type { Demand, HostSnapshot } from '../../scheduler/model/placement.ts'

export const zone = zoneId('us1-a')

/** Of each host. placement_process.py has the same. */
export const capacity = { vcpus: 128, memoryMib: 1024 * 1024, diskGb: 10_000, gpus: 8 } as const
/** Of each instance, of those that are there and of those that come. */
export const size = { vcpus: 8, memoryMib: 64 * 1024, diskGb: 100 } as const

export const gpuType = 'gpu-80gb'

export const demandOf = (gpus: number): Demand => ({
  ...{ zone, architecture: 'x86_64', ...size },
  gpus: gpus === 0 ? [] : [{ type: gpuType, count: gpus }],
})

export const gpuAddresses = Array.from({ length: capacity.gpus }, (_, slot) =>
  pciAddress(`0000:${(slot + 16).toString(16)}:00.0`),
)

/** With so many instances on it. */
export const hostOf = (name: string, instances: number): HostSnapshot => ({
  ...{ hostId: hostId(name), zone, state: 'ready', connected: true, architecture: 'x86_64', devices: [] },
  vcpus: { capacity: capacity.vcpus, used: instances * size.vcpus },
  memoryMib: { capacity: capacity.memoryMib, used: instances * size.memoryMib },
  diskGb: { capacity: capacity.diskGb, used: instances * size.diskGb },
})
