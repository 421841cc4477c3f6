import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { DesiredState, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceStatus, instanceStatuses, isLegalEdge } from '../../../proto/instance-state.ts'
import {
  type ObservedFacts,
  type PublishedState,
  transitionInstance,
} from '../../../scheduler/lifecycle/transition.ts'
import type { Holding } from '../../../scheduler/model/instance.ts'

const { RUNNING, STOPPED, ABSENT } = DesiredState

const published = (status: InstanceStatus, changes: Partial<PublishedState> = {}): PublishedState => ({
  ...{ status, reason: 'OLD', message: 'Old.', holds: 'everything' },
  desiredState: status === 'DEPROVISIONING' ? ABSENT : RUNNING,
  ...changes,
})
const observed = (phase: InstancePhase, changes: Partial<ObservedFacts> = {}): ObservedFacts => ({
  ...{ phase, reason: 'NEW', message: 'New.', released: false, settled: true },
  ...changes,
})

const phases = Object.values(InstancePhase).filter((phase) => typeof phase === 'number')
const anyPublished = fc.record({
  status: fc.constantFrom(...instanceStatuses),
  reason: fc.constantFrom('OLD', 'NEW'),
  message: fc.constantFrom('Old.', 'New.'),
  desiredState: fc.constantFrom(RUNNING, STOPPED, ABSENT, DesiredState.SUSPENDED),
  holds: fc.constantFrom<Holding>('everything', 'storage', 'nothing'),
})
const anyObserved = fc.record({
  // 99: what a newer agent may say.
  phase: fc.constantFrom<InstancePhase>(...phases, 99 as InstancePhase),
  reason: fc.constantFrom('OLD', 'NEW'),
  message: fc.constantFrom('Old.', 'New.'),
  released: fc.boolean(),
  settled: fc.boolean(),
})

describe('transitionInstance', () => {
  it.each([
    ['PROVISIONING', InstancePhase.STAGING, 'STAGING'],
    ['PROVISIONING', InstancePhase.RUNNING, 'RUNNING'],
    ['STAGING', InstancePhase.RUNNING, 'RUNNING'],
    ['STAGING', InstancePhase.FAILED, 'FAILED'],
    ['RUNNING', InstancePhase.STOPPING, 'STOPPING'],
    ['RUNNING', InstancePhase.STOPPED, 'STOPPED'],
    ['RUNNING', InstancePhase.CRASHED, 'STOPPED'],
    ['RUNNING', InstancePhase.REPAIRING, 'REPAIRING'],
    ['REPAIRING', InstancePhase.STAGING, 'STAGING'],
    ['REPAIRING', InstancePhase.STOPPED, 'STOPPED'],
    ['STOPPING', InstancePhase.STOPPED, 'STOPPED'],
    ['STOPPING', InstancePhase.STAGING, 'STAGING'],
    ['STOPPED', InstancePhase.RUNNING, 'RUNNING'],
    ['REPAIRING', InstancePhase.RUNNING, 'RUNNING'],
    ['SUSPENDING', InstancePhase.SUSPENDED, 'SUSPENDED'],
    ['SUSPENDING', InstancePhase.RUNNING, 'RUNNING'],
    ['PROVISIONING', InstancePhase.SUSPENDED, 'SUSPENDED'],
  ] as const)('moves %s on phase %i to %s, in the words of the host', (from, phase, to) => {
    expect(transitionInstance(published(from), observed(phase))).toEqual({
      ...{ kind: 'move', to, reason: 'NEW', message: 'New.', releases: 'nothing' },
    })
  })

  it('tells progress within a status, and nothing where nothing is new', () => {
    const staging = published('STAGING')
    expect(transitionInstance(staging, observed(InstancePhase.STAGING))).toMatchObject({
      ...{ kind: 'update', message: 'New.', releases: 'nothing' },
    })
    const same = observed(InstancePhase.STAGING, { reason: 'OLD', message: 'Old.' })
    expect(transitionInstance(staging, same)).toEqual({ kind: 'unchanged' })
  })

  it('gives claims back with proof, once, and at rest only', () => {
    const proof = { released: true }
    const failed = observed(InstancePhase.FAILED, proof)
    const release = (status: InstanceStatus, holds: Holding) =>
      transitionInstance(published(status, { holds }), failed)
    expect(release('STAGING', 'everything')).toMatchObject({ kind: 'move', releases: 'everything' })
    expect(release('FAILED', 'everything')).toMatchObject({ kind: 'update', releases: 'everything' })
    expect(release('FAILED', 'nothing')).toMatchObject({ releases: 'nothing' })
    expect(transitionInstance(published('STAGING'), observed(InstancePhase.RUNNING, proof))).toMatchObject({
      kind: 'move',
      to: 'RUNNING',
      releases: 'nothing',
    })
  })

  it('lets a stopped instance keep its storage', () => {
    const proof = observed(InstancePhase.STOPPED, { released: true })
    expect(transitionInstance(published('STOPPING'), proof)).toMatchObject({
      to: 'STOPPED',
      releases: 'compute',
    })
    const again = published('STOPPED', { holds: 'storage', reason: 'NEW', message: 'New.' })
    expect(transitionInstance(again, proof)).toEqual({ kind: 'unchanged' })
  })

  it('takes what a host says before it has begun with a stop for old news', () => {
    const stopping = published('STOPPING', { desiredState: STOPPED })
    for (const phase of [InstancePhase.RUNNING, InstancePhase.STAGING]) {
      expect(transitionInstance(stopping, observed(phase, { settled: false }))).toEqual({ kind: 'unchanged' })
    }
    const restarting = published('STOPPING')
    expect(transitionInstance(restarting, observed(InstancePhase.STAGING, { settled: false }))).toMatchObject(
      {
        to: 'STAGING',
      },
    )
  })

  it('believes a host that has restarted a guest before it could tell of it', () => {
    const restarting = published('STOPPING')
    const running = observed(InstancePhase.RUNNING, { settled: true })
    expect(transitionInstance(restarting, running)).toMatchObject({ kind: 'move', to: 'RUNNING' })
  })

  it.each([InstancePhase.STAGING, InstancePhase.RUNNING, InstancePhase.STOPPING])(
    'denies phase %i to an instance that holds nothing any more',
    (phase) => {
      const stopped = published('STOPPED', { holds: 'storage' })
      expect(transitionInstance(stopped, observed(phase)).kind).toBe('denied')
    },
  )

  it.each([InstancePhase.REMOVING, InstancePhase.ABSENT, InstancePhase.UNSPECIFIED, 99 as InstancePhase])(
    'denies phase %i where nobody asked for removal: it proves nothing',
    (phase) => {
      const outcome = transitionInstance(published('RUNNING'), observed(phase, { released: true }))
      expect(outcome.kind).toBe('denied')
    },
  )

  it('removes only what was to be absent and is proved to be', () => {
    const leaving = published('DEPROVISIONING')
    const absent = observed(InstancePhase.ABSENT)
    expect(transitionInstance(leaving, absent)).toEqual({ kind: 'unchanged' })
    expect(transitionInstance(leaving, { ...absent, released: true })).toEqual({ kind: 'removed' })
    expect(transitionInstance(leaving, observed(InstancePhase.REMOVING))).toMatchObject({
      ...{ kind: 'update', message: 'New.' },
    })
  })

  it('never takes an edge that the table lacks, nor one out of DEPROVISIONING', () => {
    fc.assert(
      fc.property(anyPublished, anyObserved, (state, facts) => {
        const outcome = transitionInstance(state, facts)
        if (outcome.kind !== 'move') return
        expect(isLegalEdge(state.status, outcome.to)).toBe(true)
        expect(outcome.to).not.toBe(state.status)
        expect(state.desiredState).not.toBe(ABSENT)
      }),
      { numRuns: 2000 },
    )
  })

  it('frees claims only on proof, and leaves nothing that may run without them', () => {
    fc.assert(
      fc.property(anyPublished, anyObserved, (state, facts) => {
        const outcome = transitionInstance(state, facts)
        if (outcome.kind === 'removed') {
          expect([state.desiredState, facts.phase, facts.released]).toEqual([
            ...[ABSENT, InstancePhase.ABSENT, true],
          ])
        }
        if (outcome.kind !== 'move' && outcome.kind !== 'update') return
        if (outcome.releases !== 'nothing') {
          expect(facts.released).toBe(true)
          expect(state.holds).not.toBe('nothing')
        }
        if (outcome.kind === 'move' && (outcome.releases !== 'nothing' || state.holds !== 'everything')) {
          expect(['STOPPED', 'SUSPENDED', 'FAILED']).toContain(outcome.to)
        }
      }),
      { numRuns: 2000 },
    )
  })

  it('says the same of the same report only once', () => {
    fc.assert(
      fc.property(anyPublished, anyObserved, (state, facts) => {
        const first = transitionInstance(state, facts)
        if (first.kind !== 'move' && first.kind !== 'update') return
        const { reason, message, releases } = first
        const status = first.kind === 'move' ? first.to : state.status
        const left = { nothing: state.holds, compute: 'storage', everything: 'nothing' } as const
        const after = { ...state, status, reason, message, holds: left[releases] }
        expect(transitionInstance(after, facts)).toEqual({ kind: 'unchanged' })
      }),
      { numRuns: 2000 },
    )
  })
})
