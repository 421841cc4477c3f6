import { type InstancePlacement, shortName } from '../client/resources.ts'
import type { Rendering } from '../output/format.ts'

/** Where it is, and by what it was chosen: the parts that counted, the weightiest first. */
export const placementView: Rendering<InstancePlacement> = {
  table: async ({ host, devices, cells, onHost, asked, hostsConsidered, seed, scores, rules = [] }) => {
    const { renderFields } = await import('../output/table.ts')
    const gpus = asked.gpus.map(({ type, count }) => `, ${count} x ${type}`).join('')
    const parts = Object.entries(scores)
      .filter(([, score]) => score !== 0)
      .toSorted(([, a], [, b]) => Math.abs(b) - Math.abs(a))
    const sum = Object.values(scores).reduce((total, score) => total + score, 0)
    return renderFields([
      ['host', shortName(host)],
      ...devices.map(({ type, address }) => ['device', `${address}  ${type}`] as const),
      ...cells.map(
        ({ numaNode, vcpus, memoryMib }) =>
          ['cell', `${numaNode}  ${countOf(vcpus)}, ${memoryMib} MiB`] as const,
      ),
      ...(onHost === undefined ? [] : partFields(onHost)),
      [
        'asked',
        `${countOf(asked.vcpus)}, ${asked.memoryMib} MiB, ${asked.diskGb} GB of disk${gpus} in ${asked.zone}`,
      ],
      ['hosts', String(hostsConsidered)],
      ...rules.map(
        ({ rule, hostsRefused, hostsLeft }) =>
          [`  ${rule}`, `${hostsRefused} ruled out, ${hostsLeft} left`] as const,
      ),
      ['seed', seed],
      ['score', sum.toFixed(3)],
      ...parts.map(([name, score]) => [`  ${name}`, score.toFixed(3)] as const),
    ])
  },
  names: ({ host }) => [host],
}

type Part = NonNullable<InstancePlacement['onHost']>

const partFields = ({ numaNodes, ownCpus, drift }: Part): readonly (readonly [string, string])[] => [
  ['runs on', numaNodes.length === 0 ? 'any cell' : `cell ${numaNodes.join(', ')}`],
  ...(ownCpus === undefined ? [] : [['own CPUs', ownCpus] as const]),
  ...(drift === undefined
    ? []
    : [
        ['chosen', `cell ${drift.chosenCells.map(({ numaNode }) => numaNode).join(', ')}`] as const,
        ['drift', drift.message] as const,
      ]),
]

const countOf = (vcpus: number) => `${vcpus} ${vcpus === 1 ? 'vCPU' : 'vCPUs'}`
