import type { Score } from '../score.ts'

/** Fill what is begun, for hosts that stay empty can take what needs a whole host; the other way round where asked. */
export const pack: Score = {
  weight: 0.3,
  of: ({ packing }, { freeVcpus, vcpus, freeMemoryMib, memoryMib }) => {
    const free = (shareOf(freeVcpus, vcpus) + shareOf(freeMemoryMib, memoryMib)) / 2
    return packing === 'spread' ? free : -free
  },
}

const shareOf = (free: number, capacity: number) => (capacity > 0 ? free / capacity : 0)
