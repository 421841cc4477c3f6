import fc from 'fast-check'
import { describe, expect, it } from 'vitest'
import { nextAction, phaseForCommand } from '../../../agent/instance/transition.ts'
import { DesiredState, InstancePhase } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'

const { ABSENT, STAGING, RUNNING, STOPPING, STOPPED, REMOVING, FAILED, CRASHED } = InstancePhase
const phases = [STAGING, RUNNING, STOPPING, STOPPED, REMOVING, ABSENT, FAILED, CRASHED]
const wishes = [DesiredState.RUNNING, DesiredState.STOPPED, DesiredState.ABSENT]
const situation = fc.record({
  desiredState: fc.constantFrom(...wishes),
  phase: fc.constantFrom(...phases),
  hasLeftovers: fc.boolean(),
})

/** The phase that an action ends in when it goes well; `tidy` ends only the leftovers. */
const endOf = { stage: RUNNING, stop: STOPPED, unwind: STOPPED, remove: ABSENT }

describe('nextAction', () => {
  it('comes to rest after at most three actions that go well', () => {
    fc.assert(
      fc.property(situation, (start) => {
        let now = start
        for (let done = 0; done < 3; done += 1) {
          const action = nextAction(now)
          if (action === 'rest') return
          now =
            action === 'tidy'
              ? { ...now, hasLeftovers: false }
              : { ...now, phase: endOf[action], hasLeftovers: false }
        }
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

  it('never touches a guest that runs and is to run', () => {
    expect(nextAction({ desiredState: DesiredState.RUNNING, phase: RUNNING, hasLeftovers: false })).toBe(
      'rest',
    )
  })

  it.each([STOPPED, CRASHED, FAILED])('does not start again by itself what is in phase %i', (phase) => {
    expect(nextAction({ desiredState: DesiredState.RUNNING, phase, hasLeftovers: false })).toBe('rest')
  })

  it('does nothing about a wish that it does not know', () => {
    fc.assert(
      fc.property(fc.constantFrom(...phases), (phase) => {
        expect(nextAction({ desiredState: 99 as DesiredState, phase, hasLeftovers: false })).toBe('rest')
      }),
    )
  })
})

describe('phaseForCommand', () => {
  it('begins anew for whatever is to run and does not', () => {
    expect(phases.map((phase) => phaseForCommand(DesiredState.RUNNING, phase))).toEqual(
      phases.map((phase) => (phase === RUNNING ? RUNNING : STAGING)),
    )
  })

  it('leaves the phase to every other wish', () => {
    for (const phase of phases) expect(phaseForCommand(DesiredState.STOPPED, phase)).toBe(phase)
  })
})
