// A guest whose memory goes to disk and comes back, with the agent killed around every call of it. The fake host refuses
// memory that is older than the disks.
import { beforeEach, expect, it } from 'vitest'
import type { Supervisor } from '../../../agent/instance/supervisor.ts'
import {
  type DesiredState,
  InstancePhase,
  type InstanceSpec,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { seen, startAgentOn } from './agent-on.ts'
import { commandFor, spec as specWithGpu } from './commands.ts'
import { until } from './eager-clock.ts'
import { FakeHost, type Fault } from './fake-host.ts'

const spec: InstanceSpec = { ...specWithGpu, gpus: [] }
const never: Fault = { call: Number.POSITIVE_INFINITY, when: 'before', how: 'crash' }
let host: FakeHost
beforeEach(() => {
  host = new FakeHost()
})

const startAgent = (fault?: Fault) => startAgentOn(host, fault)

const files = () => host.files.paths().filter((path) => path.includes('memory'))

interface Wish {
  readonly desired: keyof typeof DesiredState
  readonly generation: number
  readonly startGeneration: number
}
const run: Wish = { desired: 'RUNNING', generation: 1, startGeneration: 1 }
const suspend: Wish = { desired: 'SUSPENDED', generation: 2, startGeneration: 1 }
const resume: Wish = { desired: 'RUNNING', generation: 3, startGeneration: 3 }

async function ask(supervisor: Supervisor, wish: Wish) {
  await supervisor.accept(commandFor({ ...wish, spec }))
  await untilRest(supervisor, wish.generation)
}
const untilRest = (supervisor: Supervisor, generation: number) =>
  until(() => {
    const now = seen(supervisor)
    return now?.settled === true && now.generation === generation
  }, `it is at rest at generation ${generation}`)

it('goes on where it was, and leaves nothing of its memory', async () => {
  const { supervisor } = await startAgent()
  await ask(supervisor, run)
  await ask(supervisor, suspend)
  expect(seen(supervisor)).toMatchObject({ phase: InstancePhase.SUSPENDED, released: true })
  expect([host.guestPids(), host.taps.size, files().length]).toEqual([[], 0, 1])
  await ask(supervisor, resume)
  expect([seen(supervisor)?.phase, host.runningMemory(), files()]).toEqual([
    InstancePhase.RUNNING,
    'boot 1',
    [],
  ])
})

it('finds the disk with its metadata as it left it, and a new one after a stop', async () => {
  const { supervisor } = await startAgent()
  await ask(supervisor, run)
  await ask(supervisor, suspend)
  expect(host.files.paths().filter((path) => path.endsWith('/seed.img'))).toHaveLength(1)
  await ask(supervisor, resume)
  expect(host.seedDisksWritten).toBe(1)
  await ask(supervisor, { desired: 'STOPPED', generation: 4, startGeneration: 3 })
  await ask(supervisor, { desired: 'RUNNING', generation: 5, startGeneration: 5 })
  expect(host.seedDisksWritten).toBe(2)
})

it('runs on where its memory can not be written, and that is told', async () => {
  const { supervisor } = await startAgent()
  await ask(supervisor, run)
  host.refusesMemory = true
  await ask(supervisor, suspend)
  expect(seen(supervisor)).toMatchObject({ phase: InstancePhase.RUNNING, reason: 'DISK_FULL' })
  expect(seen(supervisor)?.message).toMatch(/no room.*runs on/)
  expect([host.runningMemory(), files()]).toEqual(['boot 1', []])
  host.refusesMemory = false
  await ask(supervisor, { ...suspend, generation: 4 })
  expect(seen(supervisor)?.phase).toBe(InstancePhase.SUSPENDED)
})

it('is stopped without its memory, and boots anew after that', async () => {
  const { supervisor } = await startAgent()
  await ask(supervisor, run)
  await ask(supervisor, suspend)
  await ask(supervisor, { desired: 'STOPPED', generation: 3, startGeneration: 1 })
  expect([seen(supervisor)?.phase, files()]).toEqual([InstancePhase.STOPPED, []])
  await ask(supervisor, { desired: 'RUNNING', generation: 4, startGeneration: 4 })
  expect(host.runningMemory()).toBe('boot 2')
})

it('survives a reboot of its host', async () => {
  const { supervisor } = await startAgent()
  await ask(supervisor, run)
  await ask(supervisor, suspend)
  await supervisor.close()
  host.reboot()
  const { supervisor: next } = await startAgent()
  await ask(next, resume)
  expect(host.runningMemory()).toBe('boot 1')
})

async function countCalls(steps: readonly Wish[]): Promise<readonly number[]> {
  host = new FakeHost()
  const { supervisor, calls } = await startAgent(never)
  const counts: number[] = []
  for (const step of steps) {
    await ask(supervisor, step)
    counts.push(calls())
  }
  return counts
}

/** An agent that dies at one call of the last step; then one that lives. */
async function dieAt(call: number, when: Fault['when'], steps: readonly Wish[]) {
  host = new FakeHost()
  const dying = await startAgent({ call, when, how: 'crash' })
  for (const step of steps.slice(0, -1)) await ask(dying.supervisor, step)
  const last = steps.at(-1) ?? run
  void dying.supervisor.accept(commandFor({ ...last, spec }))
  await until(() => dying.calls() >= call, 'it died')
  return (await startAgent()).supervisor
}

it('is suspended by whoever comes after a killed agent', async () => {
  const steps = [run, suspend]
  const [before = 0, after = 0] = await countCalls(steps)
  expect(after).toBeGreaterThan(before + 3)
  for (let call = before + 1; call <= after; call += 1) {
    for (const when of ['before', 'after'] as const) {
      const next = await dieAt(call, when, steps)
      await ask(next, { ...suspend, generation: 5 })
      expect([when, call, seen(next)?.phase]).toEqual([when, call, InstancePhase.SUSPENDED])
      await ask(next, { ...resume, generation: 6, startGeneration: 6 })
      expect([when, call, host.runningMemory()]).toEqual([when, call, 'boot 1'])
    }
  }
})

it('goes on from its memory once, whenever the agent is killed meanwhile', async () => {
  const steps = [run, suspend, resume]
  const [, before = 0, after = 0] = await countCalls(steps)
  expect(after).toBeGreaterThan(before + 3)
  for (let call = before + 1; call <= after; call += 1) {
    for (const when of ['before', 'after'] as const) {
      const next = await dieAt(call, when, steps)
      if (seen(next)?.generation === 3) await untilRest(next, 3)
      else await ask(next, resume)
      expect([when, call, host.runningMemory(), files()]).toEqual([when, call, 'boot 1', []])
    }
  }
})

it('boots anew where the guest that went on has ended before anybody noted it', async () => {
  const [, before = 0, after = 0] = await countCalls([run, suspend, resume])
  let coldBoots = 0
  for (let call = before + 1; call <= after; call += 1) {
    host = new FakeHost()
    const dying = await startAgent({ call, when: 'after', how: 'crash' })
    for (const step of [run, suspend]) await ask(dying.supervisor, step)
    void dying.supervisor.accept(commandFor({ ...resume, spec }))
    await until(() => dying.calls() >= call, 'it died')
    const ran = host.runningMemory() !== undefined
    host.killGuest()
    const { supervisor: next } = await startAgent()
    await ask(next, { ...resume, generation: 5, startGeneration: 5 })
    if (ran && host.runningMemory() === 'boot 2') coldBoots += 1
    // One that was ended before its vCPUs ran may have its memory back; the fake host refuses it where they have.
    if (ran) expect([call, host.runningMemory()]).toEqual([call, 'boot 2'])
    else expect(host.runningMemory()).toMatch(/^boot [12]$/)
  }
  expect(coldBoots).toBeGreaterThan(0)
})
