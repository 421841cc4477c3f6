import { create } from '@bufbuild/protobuf'
import { findAccelerator } from '../../proto/accelerators.ts'
import {
  type Fabric,
  FabricSchema,
  type HostFacts,
  type HostWarning,
} from '../../proto/gen/berth/agent/v1/host_pb.ts'
import { createFabricManager, type FabricManagerSettings, namedModuleIds } from '../drivers/fabric/fmpm.ts'
import { FabricError } from '../drivers/fabric/port.ts'
import type { Exec, Files } from '../host/ports.ts'
import { createJournal } from '../journal/journal.ts'
import { locatePartitions, noGuests, unknownModules } from '../plan/fabric-partitions.ts'
import { guestAcceleratorsOf, pciIdOf } from './guest-accelerators.ts'
import type { InventorySettings } from './host-facts.ts'
import { toWarnings } from './warnings.ts'

export interface SeenFabric {
  /** Absent where the settings name no Fabric Manager. */
  readonly fabric?: Fabric
  readonly warnings: readonly HostWarning[]
}

/** A host with what is known of its NVSwitches at this moment. */
export const withFabric = (found: HostFacts, { fabric, warnings }: SeenFabric): HostFacts => ({
  ...found,
  ...(fabric ? { fabric } : {}),
  warnings: [...warnings, ...found.warnings],
})

/** What Fabric Manager lists, by PCI addresses as far as anybody knows them. */
export async function readFabric(options: {
  exec: Exec
  files: Files
  settings: Pick<InventorySettings, 'fabricManager' | 'stateDirectory'>
}): Promise<SeenFabric> {
  const { exec, settings } = options
  if (!settings.fabricManager) return { warnings: [] }
  try {
    const manager = createFabricManager({ exec, settings: settings.fabricManager })
    const listed = await manager.listPartitions()
    const noted = await readNotedModuleIds(options, settings.fabricManager)
    const isKnown = locatePartitions(listed, noted).unknownModuleIds.length === 0
    const known = isKnown ? noted : new Map([...noted, ...(await manager.readModuleIds())])
    const { partitions, unknownModuleIds } = locatePartitions(listed, known)
    const unknown = unknownModuleIds.map((moduleId) => ({ moduleId, address: '' }))
    const modules = [...known].map(([moduleId, address]) => ({ moduleId, address }))
    return {
      fabric: create(FabricSchema, {
        partitions: partitions.map(({ id, addresses }) => ({ id, addresses: [...addresses] })),
        modules: [...modules, ...unknown].toSorted((a, b) => a.moduleId - b.moduleId),
      }),
      warnings: toWarnings([
        [unknownModuleIds.length > 0, 'MODULE_IDS_UNKNOWN', unknownModules(unknownModuleIds)],
      ]),
    }
  } catch (thrown) {
    if (!(thrown instanceof FabricError)) throw thrown
    return { fabric: create(FabricSchema), warnings: toWarnings([[true, thrown.reason, noGuests(thrown)]]) }
  }
}

/** The operator's, or what the agent has learnt while the host's own driver had the GPUs. */
async function readNotedModuleIds(
  { files, settings }: { files: Files; settings: Pick<InventorySettings, 'stateDirectory'> },
  fabricManager: FabricManagerSettings,
): Promise<ReadonlyMap<number, string>> {
  const named = namedModuleIds(fabricManager)
  if (named !== undefined) return named
  const journal = createJournal({ files, directories: { state: settings.stateDirectory, run: '/run/berth' } })
  const modules = (await journal.readFabric())?.modules ?? []
  return new Map(modules.map(({ moduleId, address }) => [moduleId, address]))
}

/** What only a guest would tell, by an error that says nothing of NVSwitches. */
export function findFabricTroubles(
  facts: HostFacts,
  { accelerators, fabricManager }: Pick<InventorySettings, 'accelerators' | 'fabricManager'>,
): readonly HostWarning[] {
  const types = guestAcceleratorsOf(facts, accelerators).map((one) =>
    findAccelerator(pciIdOf(one), accelerators),
  )
  const joined = types.find((one) => one?.partitionSizes !== undefined)
  return toWarnings([
    [
      joined !== undefined && fabricManager === undefined,
      'NO_FABRIC_MANAGER',
      `NVSwitches join each ${joined?.type} of the host, and the settings name no fabricManager: in guests CUDA fails with error 802 (system not yet initialized). Run NVIDIA Fabric Manager with FABRIC_MODE=1 and FABRIC_MODE_RESTART=1, install fmpm, and add fabricManager to the settings.`,
    ],
  ])
}
