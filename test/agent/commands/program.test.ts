import { expect, it } from 'vitest'
import { createAgentProgram } from '../../../agent/commands/program.ts'

async function call(...words: string[]): Promise<unknown> {
  let called: unknown
  const remember = (name: string) => async (flags: object) => {
    called = { name, ...flags }
  }
  const program = createAgentProgram({
    ...{ run: remember('run'), inventory: remember('inventory'), doctor: remember('doctor') },
  })
  for (const command of [program, ...program.commands]) {
    command.exitOverride().configureOutput({ writeErr: () => undefined })
  }
  await program.parseAsync(words, { from: 'user' })
  return called
}

it('is the agent itself without a command', async () => {
  expect(await call()).toEqual({ name: 'run' })
  expect(await call('--config', '/x')).toEqual({ name: 'run', config: '/x' })
})

it('takes the settings before a command and after it', async () => {
  const called = { name: 'inventory', config: '/x', record: '/tmp/r', json: true }
  expect(await call('inventory', '--config', '/x', '--json', '--record', '/tmp/r')).toEqual(called)
  expect(await call('--config', '/x', 'doctor')).toEqual({ name: 'doctor', config: '/x' })
})

it('refuses what it does not know, rather than running as the agent', async () => {
  await expect(call('docter')).rejects.toThrow()
  await expect(call('--json')).rejects.toThrow()
})
