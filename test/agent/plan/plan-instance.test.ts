import { expect, it } from 'vitest'
import { describeStep, planInstance } from '../../../agent/plan/plan-instance.ts'
import { spec } from '../instance/commands.ts'

it('fetches first, starts last, and has metadata before the port', () => {
  expect(planInstance(spec).map((step) => step.kind)).toEqual([
    'fetch-image',
    'fetch-blob',
    'fetch-blob',
    'make-disk',
    'bind-device',
    'join-network',
    'publish-metadata',
    'connect-port',
    'write-seed-disk',
    'start-guest',
  ])
})

it('says of every step what is being done', () => {
  for (const step of planInstance(spec)) expect(describeStep(step)).toMatch(/^[a-z].*[^.]$/)
})
