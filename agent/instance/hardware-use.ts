import { create } from '@bufbuild/protobuf'
import type { Logger } from '../../lib/log.ts'
import { createTurns } from '../../lib/turns.ts'
import type { InstanceSpec } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  type HostShare,
  HostShareSchema,
  type InstanceRecord,
  type Pinned,
} from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { Journal } from '../journal/journal.ts'
import { ownCpus } from '../plan/cpu-pinning.ts'
import { type GuestHardware, planGuestHardware } from '../plan/guest-hardware.ts'
import { planTopology } from '../plan/guest-topology.ts'
import type { HeldByOthers, HostHardware } from '../plan/host-hardware.ts'
import { driftOf } from '../plan/told-cells.ts'

interface Held {
  readonly spec: InstanceSpec
  readonly cpus: readonly number[]
  /** That its memory is from; empty where that was not noted. */
  readonly nodeIds: readonly number[]
}

/** Which guests have which CPUs and memory of the host: what is chosen for one is kept from the next. */
export class HardwareUse {
  readonly #read: () => Promise<HostHardware | undefined>
  readonly #journal: Pick<Journal, 'listInstances'>
  readonly #log: Logger
  readonly #turns = createTurns()

  constructor(options: {
    /** Facts of this moment: huge pages come and go. */
    read: () => Promise<HostHardware | undefined>
    journal: Pick<Journal, 'listInstances'>
    log: Logger
  }) {
    this.#read = options.read
    this.#journal = options.journal
    this.#log = options.log
  }

  read(): Promise<HostHardware | undefined> {
    return this.#read()
  }

  /** One guest after the other: what is chosen for one is in the journal before it is the next one's turn. */
  async plan(
    spec: InstanceSpec,
    pinned: Pinned,
    note: (share: HostShare) => Promise<void>,
  ): Promise<GuestHardware | undefined> {
    if (spec.gpus.length === 0 && spec.cells.length === 0) return undefined
    return this.#turns.alone('plan', async () => {
      const [hardware, entries] = await Promise.all([this.#read(), this.#journal.listInstances()])
      const records = entries.flatMap((entry) => (entry.kind === 'record' ? [entry.record] : []))
      const others = records.filter(({ uid }) => uid !== spec.uid).flatMap(heldBy)
      const held = hardware ? sumOf(others, hardware) : undefined
      const planned = planGuestHardware({ spec, pinned, hardware, ...(held ? { held } : {}) })
      const numaNodes = [...(planned?.nodeIds ?? [])]
      const drift = driftOf(spec, hardware, numaNodes)
      if (drift !== '') this.#log.warn({ instanceUid: spec.uid }, drift)
      await note(create(HostShareSchema, { cpus: [...ownCpus(planned?.pinning)], numaNodes, drift }))
      return planned
    })
  }
}

/**
 * Of a guest that is there or about to be. Those of earlier agents, and those with neither GPUs nor cells, are known by their
 * process alone.
 */
function heldBy({ spec, process, hostShare }: InstanceRecord): readonly Held[] {
  const cpus = hostShare?.cpus ?? process?.cpus
  return spec && cpus ? [{ spec, cpus, nodeIds: hostShare?.numaNodes ?? [] }] : []
}

/** Memory of guests that are bound to nothing comes from everywhere alike. */
function sumOf(others: readonly Held[], hardware: HostHardware): HeldByOthers {
  const memoryMib = new Map<number, number>()
  for (const { spec, nodeIds } of others) {
    const planned = nodeIds.length > 0 ? nodeIds : planTopology(spec, hardware).nodeIds
    const nodes = planned.length > 0 ? planned : hardware.cells.map(({ nodeId }) => nodeId)
    for (const node of nodes) {
      memoryMib.set(node, (memoryMib.get(node) ?? 0) + spec.memoryMib / nodes.length)
    }
  }
  return { cpus: new Set(others.flatMap(({ cpus }) => cpus)), memoryMib }
}
