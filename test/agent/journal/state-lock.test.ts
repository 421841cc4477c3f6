import { beforeEach, expect, it } from 'vitest'
import { FakeFiles } from '../../../agent/host/fake/fake-files.ts'
import { FakeProcesses } from '../../../agent/host/fake/fake-processes.ts'
import { acquireStateLock } from '../../../agent/journal/state-lock.ts'

const directories = { state: '/var/lib/berth', run: '/run/berth' }
let files: FakeFiles
let processes: FakeProcesses

beforeEach(() => {
  files = new FakeFiles({ totalBytes: 1e9, nowMs: () => 0 })
  processes = new FakeProcesses('boot-1')
})

const acquire = (ownPid: number) => acquireStateLock({ files, processes, directories, ownPid })
const beginAgent = () => processes.begin('agent').identity.pid

it('has one agent on a state directory, and names it to the second', async () => {
  const first = beginAgent()
  await acquire(first)
  await expect(acquire(beginAgent())).rejects.toThrow(new RegExp(`process ${first}\\b.*stop it`))
})

it('has one of many that start at one moment', async () => {
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => acquire(beginAgent())))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
})

it('is free once it is released', async () => {
  const lock = await acquire(beginAgent())
  await lock.release()
  await acquire(beginAgent())
})

it('is taken over from an agent that is dead, also where its number lives on', async () => {
  const dead = beginAgent()
  await acquire(dead)
  processes.end(dead)
  await acquire(beginAgent())
  // The same numbers after a reboot are other processes.
  processes = new FakeProcesses('boot-2')
  await acquire(beginAgent())
})

it('is taken over where its content makes no sense', async () => {
  await files.makeDirectory(directories.state)
  await files.writeAtomic(`${directories.state}/agent.lock.1`, 'half a lo')
  await acquire(beginAgent())
})

it('of a dead agent goes to one of many that want it at one moment', async () => {
  const dead = beginAgent()
  await acquire(dead)
  processes.end(dead)
  const outcomes = await Promise.allSettled(Array.from({ length: 8 }, () => acquire(beginAgent())))
  expect(outcomes.filter(({ status }) => status === 'fulfilled')).toHaveLength(1)
  expect((await files.list(directories.state)).filter((name) => name.startsWith('agent.lock'))).toHaveLength(
    1,
  )
})
