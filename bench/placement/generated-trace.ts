// A trace for when there are no files: nodes and pods drawn from the commonest shapes of the openb trace of 2023, in their
// proportions.
import type { Random } from '../../lib/random.ts'
import type { TraceNode, TracePod } from './trace.ts'

export interface Trace {
  readonly nodes: readonly TraceNode[]
  readonly pods: readonly TracePod[]
}

interface Weighted<Shape> {
  readonly weight: number
  readonly shape: Shape
}

const node = (
  weight: number,
  cpus: number,
  memoryGib: number,
  gpus = 0,
  model = '',
): Weighted<TraceNode> => ({
  weight,
  shape: { cpuMilli: cpus * 1000, memoryMib: memoryGib * 1024, gpus, model },
})

const nodes = [
  ...[node(549, 96, 384, 8, 'G2'), node(387, 104, 512, 2, 'T4'), node(107, 16, 120, 2, 'P100')],
  ...[node(39, 128, 768, 8, 'G3'), node(28, 32, 128, 4, 'V100M16'), node(22, 64, 256, 2, 'P100')],
  ...[node(21, 96, 768, 8, 'V100M32'), node(19, 8, 32, 1, 'V100M16'), node(17, 96, 384, 4, 'T4')],
  ...[node(9, 48, 368, 4, 'V100M32'), node(7, 64, 256, 8, 'V100M16')],
  ...[node(129, 32, 256), node(59, 96, 512), node(30, 96, 384), node(23, 32, 128)],
  ...[node(22, 64, 512), node(20, 104, 512), node(10, 32, 64)],
]

const pod = (weight: number, cpuMilli: number, memoryGib: number, gpus = 0): Weighted<TracePod> => ({
  weight,
  shape: { cpuMilli, memoryMib: Math.round(memoryGib * 1024), gpus, models: [] },
})

const pods = [
  ...[pod(1592, 3152, 5.5, 1), pod(874, 11_300, 46, 1), pod(778, 11_908, 48, 1), pod(666, 4000, 16, 1)],
  ...[pod(652, 8000, 30, 1), pod(599, 11_400, 47, 1), pod(332, 12_000, 24, 1), pod(255, 18_708, 63, 1)],
  ...[pod(195, 9810, 57, 1), pod(158, 6000, 22, 1), pod(158, 15_700, 91, 1), pod(152, 4152, 10, 1)],
  ...[pod(150, 16_000, 40, 1), pod(93, 14_200, 76, 1), pod(84, 24_200, 84, 1), pod(41, 1000, 6, 1)],
  ...[pod(16, 16_000, 60, 2), pod(15, 32_000, 120, 4), pod(18, 64_200, 257, 8), pod(18, 88_000, 320, 8)],
  ...[pod(366, 12_500, 46), pod(290, 32_000, 64), pod(185, 8000, 32), pod(120, 15_400, 60)],
  pod(95, 16_500, 62),
]

export function generateTrace(random: Random, counts = { nodes: 1523, pods: 8152 }): Trace {
  return { nodes: draw(nodes, counts.nodes, random), pods: draw(pods, counts.pods, random) }
}

function draw<Shape>(shapes: readonly Weighted<Shape>[], count: number, random: Random): readonly Shape[] {
  const total = shapes.reduce((sum, { weight }) => sum + weight, 0)
  return Array.from({ length: count }, () => {
    let at = random.fraction() * total
    const found = shapes.find(({ weight }) => {
      at -= weight
      return at < 0
    })
    if (found === undefined) throw new Error('There are no shapes.')
    return found.shape
  })
}
