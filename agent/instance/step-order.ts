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
    case 'publish-metadata':
      return `metadata of ${step.networkUid}`
    case 'make-disk':
    case 'write-seed-disk':
      return 'disks'
    case 'find-partition':
    case 'bind-device':
    case 'activate-partition':
      return 'devices'
    case 'join-network':
    case 'connect-port':
      return `ports of ${step.network.uid}`
    case 'start-guest':
      return 'last'
  }
}

export interface PartsUnderway {
  /** Resolves once each part has ended or has said that it is far enough; whether none has failed until then. */
  readonly startable: Promise<boolean>
  /** Resolves when none is under way any more. @throws what failed first */
  readonly all: Promise<void>
}

/** Carries out parts at once, the steps of each one after the other. A step may say that it is far enough. */
export function carryOutAll(
  parts: readonly (readonly Step[])[],
  carryOut: (step: Step, onStartable: () => void) => Promise<void>,
): PartsUnderway {
  const failures: unknown[] = []
  const underway = parts.map((part) => {
    const startable = Promise.withResolvers<void>()
    const run = async () => {
      for (const [index, step] of part.entries()) {
        // What else was begun is ended; nothing more is begun.
        if (failures.length > 0) return
        const onStartable = index === part.length - 1 ? startable.resolve : () => {}
        await carryOut(step, onStartable).catch((thrown: unknown) => failures.push(thrown))
      }
    }
    return { ended: run().finally(startable.resolve), startable: startable.promise }
  })
  const all = Promise.all(underway.map(({ ended }) => ended)).then(() => {
    if (failures.length > 0) throw failures[0]
  })
  // Whoever waits for `startable` asks for this later.
  all.catch(() => {})
  const startable = Promise.all(underway.map((part) => part.startable)).then(() => failures.length === 0)
  return { startable, all }
}
