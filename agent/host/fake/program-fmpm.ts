import type { FakeProgram, ProgramResult } from './fake-exec.ts'
import { type FabricResult, type FakeFabric, fabricResults } from './fake-fabric.ts'

const maximumPartitions = 64

/** What a process is left of a negative result is a byte. */
const ended = (result: FabricResult, said = ''): ProgramResult => ({
  code: result & 0xff,
  ...(result === fabricResults.success ? {} : { stdout: `${said} fmReturn: ${result}\n` }),
})

/** NVIDIA's partition tool, which says everything on standard output. */
export function fmpmProgram(
  fabric: FakeFabric,
  options: { readonly losesLists?: boolean } = {},
): FakeProgram {
  return (args) => {
    const [verb, value] = args
    if (args.length > 2) throw new Error(`The fake fmpm has no '${args.join(' ')}'.`)
    if (verb === '-a' && Number(value) >= maximumPartitions) return ended(fabricResults.badParameter)
    if (fabric.connect() !== fabricResults.success) {
      return ended(fabric.connect(), 'Failed to connect to Fabric Manager instance.')
    }
    switch (verb) {
      case '-l':
        return renderList(fabric)
      case '-a':
        return ended(fabric.activate(numberOf(value)), 'Failed to activate partition.')
      case '-d':
        return ended(fabric.deactivate(numberOf(value)), 'Failed to deactivate partition.')
      case '--set-activated-list': {
        const ids = (value ?? '').split(',').filter(Boolean).map(numberOf)
        if (new Set(ids).size < ids.length) throw new Error('The real fmpm would go round for good.')
        // Version 1.0.1 as published counts none of them.
        return ended(
          fabric.setActivated(options.losesLists ? [] : ids),
          'Failed to set activated partitions.',
        )
      }
      default:
        throw new Error(`The fake fmpm has no '${args.join(' ')}'.`)
    }
  }
}

function numberOf(text: string | undefined): number {
  if (text === undefined || !/^\d+$/.test(text)) throw new Error(`The fake fmpm reads no '${text}'.`)
  return Number(text)
}

function renderList(fabric: FakeFabric): ProgramResult {
  const list = fabric.list()
  if (typeof list === 'number') return ended(list, 'Failed to get partition list.')
  const { addresses, tellsAddresses } = fabric.options
  const partitionInfo = list.map(({ id, moduleIds, isActive }) => ({
    gpuInfo: moduleIds.map((moduleId) => ({
      ...{ maxNumNvLinks: 18, numNvLinksAvailable: 18, nvlinkLineRateMBps: 50_000 },
      pciBusId: tellsAddresses ? busIdOf(addresses.get(moduleId) ?? '') : '',
      ...{ physicalId: moduleId, uuid: '' },
    })),
    ...{ isActive: isActive ? 1 : 0, numGpus: moduleIds.length, partitionId: id },
  }))
  const counts = { maxNumPartitions: list.length, numPartitions: list.length }
  return { stdout: `${JSON.stringify({ ...counts, partitionInfo, version: 33_686_284 }, null, 3)}\n` }
}

/** `has`: the GPUs that the driver nvidia has. */
export function nvidiaSmiProgram(fabric: FakeFabric, has: (address: string) => boolean): FakeProgram {
  return (args) => {
    if (args.join(' ') !== '-q') throw new Error(`The fake host runs no nvidia-smi ${args.join(' ')}.`)
    const gpus = [...fabric.options.addresses].filter(([, address]) => has(address))
    if (gpus.length === 0) return { code: 6, stdout: 'No devices were found\n' }
    const paragraphs = gpus
      .toSorted(([, a], [, b]) => (a < b ? -1 : 1))
      .map(([moduleId, address]) =>
        [
          `GPU ${busIdOf(address)}`,
          '    Product Name                          : NVIDIA H100 80GB HBM3',
          `    Platform Info`,
          `        Module Id                         : ${moduleId}`,
          `    PCI`,
          `        Bus Id                            : ${busIdOf(address)}`,
          '',
        ].join('\n'),
      )
    return {
      stdout: ['==============NVSMI LOG==============', `Attached GPUs : ${gpus.length}`, ...paragraphs].join(
        '\n',
      ),
    }
  }
}

const busIdOf = (address: string) => (address === '' ? '' : `0000${address.toUpperCase()}`)
