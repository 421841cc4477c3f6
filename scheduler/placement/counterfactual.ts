import type { Demand, GpuWish } from '../model/placement.ts'

/** One thing less, everything else as asked, and it would fit now. */
export type Counterfactual =
  | { readonly kind: 'gpus'; readonly type: string; readonly count: number }
  | { readonly kind: 'disk'; readonly diskGb: number }
  | { readonly kind: 'type'; readonly type: string }

export interface TypeSize {
  readonly id: string
  readonly vcpus: number
  readonly memoryMib: number
}

/** The smallest concession of each kind that helps by itself; none where several would have to be made together. */
export function findCounterfactuals(
  demand: Demand,
  fitsNow: (demand: Demand) => boolean,
  types: readonly TypeSize[],
): readonly Counterfactual[] {
  const fits = (less: Partial<Demand>) => fitsNow({ ...demand, ...less })
  return [...fewerGpus(demand, fits), ...smallerDisk(demand, fits), ...smallerType(demand, types, fits)]
}

type Fits = (less: Partial<Demand>) => boolean

function fewerGpus({ gpus }: Demand, fits: Fits): readonly Counterfactual[] {
  return gpus.flatMap((wish, index) => {
    const { type, count } = wish
    const withCount = (fewer: number): readonly GpuWish[] =>
      gpus.flatMap((gpu, at) => (at !== index ? [gpu] : fewer === 0 ? [] : [{ ...wish, count: fewer }]))
    const found = range(count).findLast((fewer) => fits({ gpus: withCount(fewer) }))
    return found === undefined ? [] : [{ kind: 'gpus' as const, type, count: found }]
  })
}

function smallerDisk({ diskGb }: Demand, fits: Fits): readonly Counterfactual[] {
  if (diskGb < 2 || !fits({ diskGb: 1 })) return []
  let [enough, tooMuch] = [1, diskGb]
  while (tooMuch - enough > 1) {
    const middle = Math.floor((enough + tooMuch) / 2)
    if (fits({ diskGb: middle })) enough = middle
    else tooMuch = middle
  }
  return [{ kind: 'disk', diskGb: enough }]
}

/** The largest type that takes less of both. */
function smallerType(demand: Demand, types: readonly TypeSize[], fits: Fits): readonly Counterfactual[] {
  const found = types
    .filter(({ vcpus, memoryMib }) => vcpus <= demand.vcpus && memoryMib <= demand.memoryMib)
    .filter(({ vcpus, memoryMib }) => vcpus < demand.vcpus || memoryMib < demand.memoryMib)
    .toSorted((a, b) => b.vcpus - a.vcpus || b.memoryMib - a.memoryMib)
    .find(({ vcpus, memoryMib }) => fits({ vcpus, memoryMib }))
  return found === undefined ? [] : [{ kind: 'type', type: found.id }]
}

const range = (count: number) => Array.from({ length: count }, (_, index) => index)
