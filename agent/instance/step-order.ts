// Which steps wait for which. In: the steps of a plan. Out: each carried out once, and at once with what it does not meet.
import type { Step } from '../plan/plan-instance.ts'

export interface StepOrder {
  /** First, for they take longest and fail most. Nothing is on the host yet that is the instance's. */
  readonly fetches: readonly Step[]
  /** At once: the disks, the devices, and the NICs of each network, which know nothing of one another. */
  readonly parts: readonly (readonly Step[])[]
  readonly last: readonly Step[]
}

export function inOrder(steps: readonly Step[]): StepOrder {
  const places = steps.map((step) => ({ step, place: placeOf(step) }))
  const at = (place: string) => places.flatMap((one) => (one.place === place ? [one.step] : []))
  const names = new Set(places.map(({ place }) => place))
  const parts = [...names].filter((place) => place !== 'fetches' && place !== 'last').map(at)
  return { fetches: at('fetches'), parts, last: at('last') }
}

function placeOf(step: Step): string {
  switch (step.kind) {
    case 'fetch-image':
    case 'fetch-blob':
      return 'fetches'
    case 'make-disk':
    case 'write-seed-disk':
      return 'disks'
    case 'bind-device':
      return 'devices'
    case 'join-network':
    case 'connect-port':
      return step.network.uid
    case 'publish-metadata':
      return step.networkUid
    case 'start-guest':
      return 'last'
  }
}

/** The steps of each part one after the other. Returns when none is under way any more. @throws what failed first */
export async function carryOutAll(
  parts: readonly (readonly Step[])[],
  carryOut: (step: Step) => Promise<void>,
): Promise<void> {
  const failures: unknown[] = []
  const carryOutPart = async (part: readonly Step[]) => {
    for (const step of part) {
      // What else was begun is ended; nothing more is begun.
      if (failures.length > 0) return
      await carryOut(step).catch((thrown: unknown) => failures.push(thrown))
    }
  }
  await Promise.all(parts.map(carryOutPart))
  if (failures.length > 0) throw failures[0]
}
