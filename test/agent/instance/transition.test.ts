import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import {
  type Action,
  nextAction,
  phaseForCommand,
  type Situation,
} from '../../../agent/instance/transition.ts'
import { DesiredState, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'

const { ABSENT, STAGING, RUNNING, STOPPING, STOPPED, REMOVING, FAILED, CRASHED, SUSPENDING, SUSPENDED } =
  InstancePhase
const { REPAIRING } = InstancePhase
const onItsWay: InstancePhase[] = [STAGING, RUNNING, STOPPING, REPAIRING]
const phases = [
  ...[STAGING, RUNNING, STOPPING, STOPPED, REMOVING, ABSENT, FAILED, CRASHED],
  ...[SUSPENDING, SUSPENDED, REPAIRING],
]
const wishes = [DesiredState.RUNNING, DesiredState.STOPPED, DesiredState.ABSENT, DesiredState.SUSPENDED]
const situation = fc.record({
  desiredState: fc.constantFrom(...wishes),
  phase: fc.constantFrom(...phases),
  released: fc.boolean(),
  generation: fc.integer({ min: 1, max: 3 }),
  startGeneration: fc.integer({ min: 0, max: 3 }),
  appliedGeneration: fc.integer({ min: 0, max: 3 }),
})
const rested = { released: true, generation: 2, startGeneration: 1, appliedGeneration: 2 }

/** What an action that goes well leads to. */
function after(action: Action, now: Situation): Situation {
  const applied = { ...now, appliedGeneration: now.generation }
  switch (action) {
    case 'stage':
      return { ...applied, phase: RUNNING, released: false }
    case 'apply':
      return applied
    case 'restart':
    case 'repair':
      return { ...now, phase: STAGING }
    case 'suspend':
      return { ...applied, phase: SUSPENDED, released: true }
    case 'stop':
    case 'discard':
      return { ...applied, phase: STOPPED, released: true }
    case 'unwind':
      return { ...now, phase: STOPPED, released: true }
    case 'remove':
      return { ...now, phase: ABSENT, released: true }
    case 'tidy':
      return { ...now, released: true }
    case 'rest':
      return now
  }
}

describe('nextAction', () => {
  it('comes to rest after at most three actions that go well', () => {
    fc.assert(
      fc.property(situation, (start) => {
        // No command asks for a start after its own generation.
        let now: Situation = { ...start, startGeneration: Math.min(start.startGeneration, start.generation) }
        for (let done = 0; done < 3; done += 1) now = after(nextAction(now), now)
        expect(nextAction(now)).toBe('rest')
      }),
    )
  })

  it('removes whatever is to be absent, and nothing else', () => {
    fc.assert(
      fc.property(situation, (now) => {
        const removes = now.desiredState === DesiredState.ABSENT && now.phase !== ABSENT
        expect(nextAction(now) === 'remove').toBe(removes)
      }),
    )
  })

  it('never touches a guest that runs as it is to run', () => {
    expect(nextAction({ desiredState: DesiredState.RUNNING, phase: RUNNING, ...rested })).toBe('rest')
  })

  it('suspends a guest that runs once for each wish, and gives its memory up where it is to be stopped', () => {
    const now = { ...rested, desiredState: DesiredState.SUSPENDED, phase: RUNNING, generation: 3 }
    expect(nextAction(now)).toBe('suspend')
    expect(nextAction({ ...now, appliedGeneration: 3 })).toBe('rest')
    expect(nextAction({ ...now, phase: SUSPENDED })).toBe('rest')
    expect(nextAction({ ...now, phase: SUSPENDED, desiredState: DesiredState.STOPPED })).toBe('discard')
  })

  it('changes a guest that runs, and restarts it only where a later generation asks for a start', () => {
    const now = { ...rested, desiredState: DesiredState.RUNNING, phase: RUNNING, generation: 3 }
    expect(nextAction(now)).toBe('apply')
    expect(nextAction({ ...now, startGeneration: 3 })).toBe('restart')
  })

  it.each([STOPPED, CRASHED, FAILED])('does not start again by itself what is in phase %i', (phase) => {
    expect(nextAction({ desiredState: DesiredState.RUNNING, phase, ...rested, generation: 3 })).toBe('rest')
  })

  it('does nothing about a wish that it does not know', () => {
    fc.assert(
      fc.property(fc.constantFrom(...phases), (phase) => {
        expect(nextAction({ desiredState: 99 as DesiredState, phase, ...rested })).toBe('rest')
      }),
    )
  })
})

describe('phaseForCommand', () => {
  const from = (wish: DesiredState, startGeneration: number) =>
    phases.map((phase) => phaseForCommand(wish, { phase, appliedGeneration: 2 }, startGeneration))

  it('begins anew for whatever is asked to start and is not on its way', () => {
    expect(from(DesiredState.RUNNING, 3)).toEqual(
      phases.map((phase) => (new Set(onItsWay).has(phase) ? phase : STAGING)),
    )
  })

  it('leaves the phase to a change of what does not run, and to every other wish', () => {
    expect(from(DesiredState.RUNNING, 2)).toEqual(phases)
    expect(from(DesiredState.STOPPED, 3)).toEqual(phases)
  })
})
