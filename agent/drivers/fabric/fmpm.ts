// NVIDIA Fabric Manager by its own partition tool (fmpm of NVIDIA/Fabric-Manager-Client), in shared NVSwitch mode. In: ids of
// partitions. Out: what is listed, or a sentence that says what ended the tool. It chooses no partition and remembers none.
import { type TSchema, Type } from 'typebox'
import { Value } from 'typebox/value'
import { type PciAddress, pciAddress } from '../../../proto/ids.ts'
import { type Exec, ExecError } from '../../host/ports.ts'
import { FabricError, type FabricManager, type FabricPartition } from './port.ts'

export interface FabricManagerSettings {
  /** Path of fmpm. */
  readonly program: string
  /** Of Fabric Manager, where it is not on this host's loopback. */
  readonly address?: string
  /** Of its Unix socket, where it listens on one. */
  readonly socket?: string
  /** Addresses by module id. */
  readonly moduleIds?: Readonly<Record<string, string>>
}

/** What the operator says; undefined where that is left to the host's own driver. */
export const namedModuleIds = ({
  moduleIds,
}: FabricManagerSettings): ReadonlyMap<number, string> | undefined =>
  moduleIds && new Map(Object.entries(moduleIds).map(([id, address]) => [Number(id), address]))

const listTimeoutMs = 10_000
/** Boards before H100 train their links meanwhile. */
const changeTimeoutMs = 60_000
const moduleIdsTimeoutMs = 30_000

/** The tool exits with the library's negative result, of which a byte is left. */
const results: Readonly<Record<number, readonly [reason: FabricError['reason'], because: string]>> = {
  255: ['PARTITION_UNKNOWN', 'it knows no such partition'],
  254: ['FABRIC_FAILED', 'it gives no reason: see its log, /var/log/fabricmanager.log'],
  253: ['FABRIC_NOT_SUPPORTED', 'it does not run in the mode for that: set FABRIC_MODE=1'],
  252: ['PARTITION_NOT_ACTIVE', 'the partition is not active'],
  251: ['FABRIC_UNREACHABLE', 'it did not answer in time'],
  250: [
    'FABRIC_FAILED',
    'fmpm and Fabric Manager are of different versions: build fmpm for the one that runs',
  ],
  249: ['PARTITION_IN_USE', 'the partition is active, or one that shares GPUs with it'],
  248: [
    'FABRIC_NOT_READY',
    'it still initializes, or waits to be told which partitions are active: try again',
  ],
  247: ['FABRIC_UNREACHABLE', 'it does not run: start nvidia-fabricmanager'],
  246: ['FABRIC_FAILED', 'links between GPUs and NVSwitches do not train: see its log'],
}
const okCodes = [0, ...Object.keys(results).map(Number)]

const gpuSchema = Type.Object({ physicalId: Type.Integer({ minimum: 0 }), pciBusId: Type.String() })
const listSchema = Type.Object({
  partitionInfo: Type.Array(
    Type.Object({
      partitionId: Type.Integer({ minimum: 0 }),
      isActive: Type.Integer(),
      gpuInfo: Type.Array(gpuSchema, { minItems: 1 }),
    }),
  ),
}) satisfies TSchema

export function createFabricManager(options: { exec: Exec; settings: FabricManagerSettings }): FabricManager {
  const { exec, settings } = options
  const where = [
    ...(settings.address === undefined ? [] : ['--hostname', settings.address]),
    ...(settings.socket === undefined ? [] : ['--unix-domain-socket', settings.socket]),
  ]

  const ask = async (what: string, args: readonly string[], timeoutMs: number): Promise<string> => {
    const { code, stdout } = await exec
      .run(settings.program, [...where, ...args], { timeoutMs, okCodes })
      .catch((cause: unknown) => {
        throw cause instanceof ExecError ? brokenTool(what, cause) : cause
      })
    const result = results[code]
    if (result === undefined) return stdout
    throw new FabricError(result[0], `Fabric Manager did not ${what}: ${result[1]}.`)
  }

  return {
    listPartitions: async () => parseList(await ask('list its partitions', ['-l'], listTimeoutMs)),
    activate: async (id) => {
      await ask(`activate partition ${id}`, ['-a', String(id)], changeTimeoutMs)
    },
    deactivate: async (id) => {
      await ask(`deactivate partition ${id}`, ['-d', String(id)], changeTimeoutMs)
    },
    setActive: async (ids) => {
      // One that is named twice makes the tool go round for good.
      const list = [...new Set(ids)].join(',')
      const what = `take back what is active (${list || 'nothing'})`
      await ask(what, ['--set-activated-list', list], changeTimeoutMs)
    },
    readModuleIds: async () => {
      try {
        const { stdout } = await exec.run('nvidia-smi', ['-q'], { timeoutMs: moduleIdsTimeoutMs })
        return parseModuleIds(stdout)
      } catch (thrown) {
        // No driver, or none of its GPUs with the host: what it would have said is not to be had.
        if (thrown instanceof ExecError) return new Map()
        throw thrown
      }
    },
  }
}

function brokenTool(what: string, cause: ExecError): FabricError {
  const because =
    cause.kind === 'not-found'
      ? `${cause.file} is not installed: build it from NVIDIA/Fabric-Manager-Client, or name it in fabricManager.program`
      : cause.message
  return new FabricError('FABRIC_UNREACHABLE', `Fabric Manager did not ${what}: ${because}.`, { cause })
}

function parseList(text: string): readonly FabricPartition[] {
  return readList(text).partitionInfo.map(({ partitionId, isActive, gpuInfo }) => ({
    id: partitionId,
    isActive: isActive !== 0,
    gpus: gpuInfo.map(({ physicalId, pciBusId }) => {
      const address = parseBusId(pciBusId)
      return { moduleId: physicalId, ...(address === undefined ? {} : { address }) }
    }),
  }))
}

function readList(text: string) {
  try {
    return Value.Parse(listSchema, JSON.parse(text))
  } catch (cause) {
    const message = 'What fmpm lists is not as it should be: build it from NVIDIA/Fabric-Manager-Client.'
    throw new FabricError('FABRIC_FAILED', message, { cause })
  }
}

/** NVIDIA's tools write domains with eight digits: 00000000:3B:00.0. */
function parseBusId(text: string): PciAddress | undefined {
  const [, domain = '', rest = ''] =
    /^(?:0000)?([0-9a-f]{4}):([0-9a-f]{2}:[0-9a-f]{2}\.[0-7])$/i.exec(text) ?? []
  return domain === '' ? undefined : pciAddress(`${domain}:${rest}`.toLowerCase())
}

/** A paragraph for each GPU, which begins with its address; older drivers write "Module ID", newer ones "Module Id". */
function parseModuleIds(text: string): ReadonlyMap<number, PciAddress> {
  const found = new Map<number, PciAddress>()
  for (const paragraph of text.split(/^GPU /m).slice(1)) {
    const address = parseBusId(paragraph.split('\n', 1)[0]?.trim() ?? '')
    const moduleId = /^\s*Module Id\s*:\s*(\d+)\s*$/im.exec(paragraph)?.[1]
    if (address !== undefined && moduleId !== undefined) found.set(Number(moduleId), address)
  }
  return found
}
