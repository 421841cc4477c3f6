import { join } from 'node:path'
import { describe, it } from 'vitest'
import { deviceLifecycle, deviceStates } from '../../proto/device-state.ts'
import { instanceLifecycle, instanceStatuses } from '../../proto/instance-state.ts'
import { expectFile } from '../support/golden.ts'
import { repositoryRoot } from '../support/imports.ts'

describe('docs/states.md', () => {
  it('says what proto/instance-state.ts and proto/device-state.ts say', () => {
    expectFile(join(repositoryRoot, 'docs/states.md'), renderStates())
  })
})

function renderStates(): string {
  return [
    '# The states of an instance',
    '',
    'Rendered from `proto/instance-state.ts` and `proto/device-state.ts` by `npm run golden`; a test compares them.',
    '',
    'A deadline never fails an instance: when it is over, `lifecycle.statusMessage` says what is being waited for.',
    '',
    '| `lifecycle.status` | Meaning | Next | Deadline |',
    '|---|---|---|---|',
    ...instanceStatuses.map((status) => rowOf(status, instanceLifecycle[status])),
    '',
    '# The states of a device',
    '',
    'Of a GPU that guests get whole. What is not over at its deadline ends in quarantine; an operator can send it there from',
    'any state, and a guest that has the device keeps it until it ends.',
    '',
    '| `state` | Meaning | Next | Deadline |',
    '|---|---|---|---|',
    ...deviceStates.map((state) => rowOf(state, deviceLifecycle[state])),
    '',
  ].join('\n')
}

interface StateInfo {
  readonly meaning: string
  readonly next: readonly string[]
  readonly deadlineMs?: number
}

function rowOf(state: string, { meaning, next, deadlineMs }: StateInfo): string {
  const deadline = deadlineMs === undefined ? 'none' : `${deadlineMs / 60_000} min`
  return `| \`${state}\` | ${meaning} | ${next.map((to) => `\`${to}\``).join(', ') || 'gone'} | ${deadline} |`
}
