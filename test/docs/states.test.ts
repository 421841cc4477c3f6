import { join } from 'node:path'
import { describe, it } from 'vitest'
import { instanceLifecycle, instanceStatuses } from '../../proto/instance-state.ts'
import { expectFile } from '../support/golden.ts'
import { repositoryRoot } from '../support/imports.ts'

describe('docs/states.md', () => {
  it('says what proto/instance-state.ts says', () => {
    expectFile(join(repositoryRoot, 'docs/states.md'), renderStates())
  })
})

function renderStates(): string {
  const rows = instanceStatuses.map((status) => {
    const { meaning, next, deadlineMs } = instanceLifecycle[status]
    const deadline = deadlineMs === undefined ? 'none' : `${deadlineMs / 60_000} min`
    return `| \`${status}\` | ${meaning} | ${next.map((to) => `\`${to}\``).join(', ') || 'gone'} | ${deadline} |`
  })
  return [
    '# The states of an instance',
    '',
    'Rendered from `proto/instance-state.ts` by `npm run golden`; a test compares the two.',
    '',
    'A deadline never fails an instance: when it is over, `lifecycle.statusMessage` says what is being waited for.',
    '',
    '| `lifecycle.status` | Meaning | Next | Deadline |',
    '|---|---|---|---|',
    ...rows,
    '',
  ].join('\n')
}
