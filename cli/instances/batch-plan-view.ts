import type { InstanceBatchPlan } from '../client/resources.ts'
import type { Rendering } from '../output/format.ts'
import { reasonLines } from './plan-view.ts'

type Member = InstanceBatchPlan['instances'][number]

/** Where each would go, and of the one in the way why not. */
export const batchPlanView: Rendering<InstanceBatchPlan> = {
  table: async ({ verdict, message, sameHostLabel, instances }) => {
    const { renderTable } = await import('../output/table.ts')
    const refused = instances.find(({ plan }) => plan !== undefined && plan.verdict !== 'FITS')
    const nearest = sameHostLabel?.nearest ?? []
    return [
      `${verdict}: ${message}`,
      '',
      renderTable(['INSTANCE', 'VERDICT', 'HOST', 'DEVICES'], instances.map(rowOf)),
      ...(nearest.length === 0 ? [] : ['', `Room by ${sameHostLabel?.key}:`]),
      ...nearest.map(({ value, roomFor }) => `  ${value}  ${roomFor} of ${instances.length}`),
      ...(refused?.plan === undefined
        ? []
        : ['', `${nameOf(refused, instances.indexOf(refused))}: ${refused.plan.message}`]),
      ...(refused?.plan === undefined ? [] : reasonLines(refused.plan)),
    ].join('\n')
  },
  names: ({ verdict }) => [verdict],
}

const rowOf = (member: Member, at: number) => [
  nameOf(member, at),
  member.plan?.verdict ?? 'not tried',
  member.plan?.placement?.host ?? '-',
  member.plan?.placement?.devices?.map(({ address }) => address).join(' ') || '-',
]

const nameOf = ({ id }: Member, at: number) => id ?? `instances[${at}]`
