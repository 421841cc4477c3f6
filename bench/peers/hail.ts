// Ganeti's allocator and Berth before the same cluster. Ganeti starts hail for every request; Berth keeps its index and
// decides in it. Both ways are told of both.
import { execFileSync } from 'node:child_process'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { indexOf } from '../../scheduler/placement/index.ts'
import { median } from '../figures.ts'
import { capacity, demandOf, size } from './cluster.ts'
import { type HailRequest, hailRequest, hostsIn } from './hail-request.ts'

const hail = '/usr/lib/ganeti/iallocators/hail'
const instancesOnEach = 5
const severalAtOnce = 20
/** The check that everything could start anew were any node to fail: Berth does not make it. */
const withoutRestartCheck = '--no-capacity-checks'

export interface HailFigures {
  readonly kind: 'measured'
  readonly hosts: number
  /** One process each for one request. */
  readonly hailMillis: number
  readonly hailUncheckedMillis: number
  readonly berthProcessMillis: number
  /** Several requests in one process, without that check, for each of them. */
  readonly hailSeveralMillis: number
  /** Decided and claimed in the index, for each. */
  readonly berthMillis: number
}

export type Measured<Figures> = Figures | { readonly kind: 'absent'; readonly why: string }

export function measureHail(options: {
  readonly directory: string
  readonly hosts: number
  readonly runs: number
}): Measured<HailFigures> {
  if (!existsSync(hail)) return { kind: 'absent', why: 'hail is not there: apt install ganeti-htools' }
  const { directory, hosts, runs } = options
  const write = (wanted: number) => {
    const path = join(directory, `hail-${wanted}.json`)
    const request = hailRequest({ hosts, instancesOnEach, wanted })
    writeFileSync(path, JSON.stringify(request))
    return { path, request }
  }
  const [one, several] = [write(1), write(severalAtOnce)]
  const ownProgram = join(import.meta.dirname, 'berth-process.ts')
  const timeAll = (wanted: number, turns: number, program: string, ...words: string[]) =>
    median(Array.from({ length: turns }, () => timeProcess(wanted, program, words)))
  return {
    ...{ kind: 'measured', hosts },
    hailMillis: timeAll(1, Math.min(3, runs), hail, one.path),
    hailUncheckedMillis: timeAll(1, runs, hail, withoutRestartCheck, one.path),
    berthProcessMillis: timeAll(1, runs, process.execPath, ownProgram, one.path),
    hailSeveralMillis: timeAll(severalAtOnce, runs, hail, withoutRestartCheck, several.path) / severalAtOnce,
    berthMillis: median(Array.from({ length: runs }, () => timeIndex(one.request))),
  }
}

function timeProcess(wanted: number, program: string, words: readonly string[]): number {
  const began = performance.now()
  const answer = execFileSync(program, words, { encoding: 'utf8' })
  const tookMs = performance.now() - began
  const placed = new Set(answer.match(/host-\d+/g))
  if (placed.size === 0 || (wanted === 1 && placed.size !== 1))
    throw new Error(`It placed nothing: ${answer}`)
  return tookMs
}

/** Until the cluster is half full of what was added. */
function timeIndex(request: HailRequest): number {
  const index = indexOf(hostsIn(request))
  const demand = demandOf(0)
  const room = capacity.vcpus / size.vcpus - instancesOnEach
  const count = Math.floor((index.size * room) / 2)
  const began = performance.now()
  for (let number = 0; number < count; number += 1) {
    const uid = `new-${number}`
    const verdict = index.decide(demand, uid)
    if (verdict === undefined) throw new Error('It placed nothing.')
    index.claim(verdict.hostId, { uid, demand, devices: [] })
  }
  return (performance.now() - began) / count
}
