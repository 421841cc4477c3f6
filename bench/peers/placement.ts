// OpenStack Placement and Berth, each with a database on disk: to find a host and to claim it durably, one request after
// the other.
import { execFileSync } from 'node:child_process'
import { existsSync, mkdirSync } from 'node:fs'
import { join } from 'node:path'
import { silentLogger } from '../../lib/log.ts'
import { hostId } from '../../proto/ids.ts'
import { openSqliteStore } from '../../scheduler/store/sqlite/sqlite-store.ts'
import { openFleet } from '../../scheduler/stream/fleet.ts'
import { hostOf, makeZones, placementOf } from '../../test/contract/store-values.ts'
import { median } from '../figures.ts'
import { capacity, demandOf, gpuAddresses } from './cluster.ts'
import type { Measured } from './hail.ts'

/** The distribution's own: its packages are where another finds nothing. */
const python = '/usr/bin/python3'
const warmUpRequests = 200

export interface PlacementFigures {
  readonly kind: 'measured'
  readonly hosts: number
  /** GET allocation_candidates, PUT allocations. */
  readonly placementFindMillis: number
  readonly placementClaimMillis: number
  readonly berthFindMillis: number
  readonly berthClaimMillis: number
}

export async function measurePlacement(options: {
  readonly directory: string
  readonly hosts: number
  readonly requests: number
}): Promise<Measured<PlacementFigures>> {
  const why = 'OpenStack Placement is not there: apt install python3-placement'
  if (!existsSync(python)) return { kind: 'absent', why }
  const folder = join(options.directory, 'placement')
  mkdirSync(folder)
  const program = join(import.meta.dirname, 'placement_process.py')
  const printed = execFileSync(
    python,
    ['-W', 'ignore', program, folder, String(options.hosts), String(options.requests)],
    { encoding: 'utf8', stdio: ['ignore', 'pipe', 'inherit'] },
  )
  const peer = JSON.parse(printed) as
    | { readonly absent: string }
    | { readonly foundMs: readonly number[]; readonly claimedMs: readonly number[] }
  if ('absent' in peer) return { kind: 'absent', why }
  const own = await measureOwn(options)
  return {
    ...{ kind: 'measured', hosts: options.hosts },
    placementFindMillis: median(peer.foundMs),
    placementClaimMillis: median(peer.claimedMs),
    berthFindMillis: median(own.foundMs),
    berthClaimMillis: median(own.claimedMs),
  }
}

/** The scheduler's store and fleet; each request waits for its own flush. */
async function measureOwn({ directory, hosts }: { readonly directory: string; readonly hosts: number }) {
  const store = await openSqliteStore({ path: join(directory, 'berth.sqlite'), log: silentLogger })
  await makeZones(store)
  for (let number = 0; number < hosts; number += 1) {
    const { vcpus, memoryMib, diskGb } = capacity
    const devices = gpuAddresses.map((address) => ({ address, pciId: '10de:2330', numaNode: 0 }))
    await store.registerHost(
      hostOf({
        ...{ hostId: hostId(`host-${number}`), journalUuid: `journal-${number}` },
        ...{ vcpus, memoryMib, diskGb, devices },
      }),
    )
  }
  const fleet = await openFleet({ store, isConnected: () => true })
  const demand = demandOf(1)
  const [foundMs, claimedMs]: [number[], number[]] = [[], []]
  const requests = Math.min(2000, hosts * capacity.gpus - warmUpRequests)
  for (let turn = 0; turn < warmUpRequests + requests; turn += 1) {
    const began = performance.now()
    const verdict = fleet.place(demand, `request-${turn}`)
    if (verdict.kind !== 'placed') throw new Error(verdict.message)
    const claiming = performance.now()
    const devices = verdict.devices.map(({ address }) => address)
    const outcome = await store.commitPlacement(
      placementOf(turn, { hostId: verdict.hostId, demand, devices, explanation: verdict.explanation }),
    )
    if (outcome.kind !== 'committed') throw new Error(`The commit was answered ${outcome.kind}.`)
    if (turn < warmUpRequests) continue
    foundMs.push(claiming - began)
    claimedMs.push(performance.now() - claiming)
  }
  await store.close()
  return { foundMs, claimedMs }
}
