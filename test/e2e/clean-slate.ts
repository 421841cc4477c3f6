import { isDeepStrictEqual } from 'node:util'
import { expect } from 'vitest'
import { type HostState, readHostState } from './host-state.ts'
import { waitUntil } from './region.ts'

/** The host is as it was. The last trace, the agent's note of a tear-down, goes once the scheduler has it. */
export async function expectCleanSlate(directory: string, before: HostState): Promise<void> {
  await waitUntil(
    'nothing is left',
    async () => isDeepStrictEqual(readHostState(directory), before),
    10_000,
  ).catch(() => {})
  expect(readHostState(directory)).toEqual(before)
}
