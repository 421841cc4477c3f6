// What does the agent cost beside the work itself? npm run bench:host -- [--json] [--turns 7] [--burst 50] [--idle 100]
//
// Runs the real agent as root on this host, and a plain shell script that does the same with programs one after the other.
// Turns of the one and the other are mixed, and what counts is the ratio of their medians: other work on the machine comes
// and goes. Guests are small, emulated and have nothing to boot, for a guest is up here once its vCPUs run. Another guest
// has the network already, so that no turn pays for that.
import { chmodSync, mkdtempSync, readdirSync, readFileSync, rmSync } from 'node:fs'
import { availableParallelism, tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { parseArgs } from 'node:util'
import PQueue from 'p-queue'
import { v7 } from 'uuid'
import { readQemu } from '../../agent/inventory/qemu.ts'
import { bridgeName, namespaceName, servicePortName } from '../../agent/plan/names.ts'
import { guestNeeds } from '../../test/e2e/guest-needs.ts'
import { readHostState } from '../../test/e2e/host-state.ts'
import { sweepRegion } from '../../test/e2e/sweep.ts'
import { missingOf } from '../../test/support/needs.ts'
import { exec } from '../../test/support/this-host.ts'
import { median, say, timeOf } from '../figures.ts'
import { type AgentProcess, startAgentProcess } from './agent-process.ts'
import { measureIncus, measureLibvirt, type Others } from './by-others.ts'
import { prepareShellGuest, type ShellFacts, startBareQemu } from './by-shell.ts'
import { type BlankImage, makeBlankImage, nextGuest, tapOf } from './guests.ts'

/** As many programs as the agent lets run at once. */
const programsAtOnce = 8
const settleMs = 5000
const idleMs = 20_000

interface Bench {
  readonly agent: AgentProcess
  readonly facts: ShellFacts
  readonly guest: () => ReturnType<typeof nextGuest>
}

const { values } = parseArgs({
  options: {
    json: { type: 'boolean', default: false },
    turns: { type: 'string', default: '7' },
    burst: { type: 'string', default: '50' },
    'burst-turns': { type: 'string', default: '3' },
    idle: { type: 'string', default: '100' },
  },
})
const missing = missingOf({ ...guestNeeds, programs: [...(guestNeeds.programs ?? []), 'bash'] })
if (missing === undefined) await main()
else process.stderr.write(`The host's benchmark needs ${missing}.\n`)

async function main(): Promise<void> {
  const directory = mkdtempSync(join(tmpdir(), 'berth-bench-'))
  chmodSync(directory, 0o711)
  const networkUid = v7()
  const taps: string[] = []
  const sweep = () => {
    sweepRegion(directory, networkUid)
    rmSync(directory, { recursive: true, force: true })
  }
  for (const signal of ['SIGINT', 'SIGTERM'] as const) {
    process.once(signal, () => {
      sweep()
      process.exit(1)
    })
  }
  try {
    const agent = await startAgentProcess(directory)
    await measure({ directory, networkUid, agent, taps })
    await expectNothingLeft(directory, networkUid, taps)
    await agent.close()
  } finally {
    sweep()
  }
}

async function measure(run: {
  directory: string
  networkUid: string
  agent: AgentProcess
  /** Of all guests that there were. */
  taps: string[]
}): Promise<void> {
  const { directory, networkUid, agent, taps } = run
  const image = makeBlankImage(directory)
  const machineType = (await readQemu({ exec, program: 'qemu-system-x86_64' }))?.machineType ?? 'q35'
  await sleep(settleMs)
  const idleRssMiB = readMemoryMib(agent.pid, 'VmRSS')
  const idleOwnMiB = readMemoryMib(agent.pid, 'RssAnon')
  const starters = readChildren(agent.pid).map((pid) => readMemoryMib(pid, 'RssAnon'))
  const startersOwnMiB = starters.reduce((sum, ownMiB) => sum + ownMiB, 0)
  const guest = () => {
    const spec = nextGuest(networkUid, image)
    taps.push(tapOf(spec))
    return spec
  }
  const holder = guest()
  await agent.create(holder)
  const facts = {
    directory,
    machineType,
    cachedImage: findCached(agent, image),
    document: readDocument(agent),
  }
  const bench: Bench = { agent, facts, guest }

  const single = await measureSingle(bench, Number(values.turns))
  const burst = await measureBurst(bench, Number(values.burst), Number(values['burst-turns']))
  if (!values.json) {
    const options = { directory, image, machineType, guest, runs: 3 }
    sayOthers('virsh create, destroy (qcow2, clean-traffic)', await measureLibvirt(options), single.shellMs)
    sayOthers('incus start, delete', await measureIncus(3), single.shellMs)
    say(
      'the idle agent, resident',
      `${idleRssMiB.toFixed(0)} MiB (goal 80 MB), ${idleOwnMiB.toFixed(0)} of them its own`,
    )
    say('  the processes beside it', `${startersOwnMiB.toFixed(0)} MiB of their own`)
    await measureIdle(bench, Number(values.idle))
  }
  await agent.remove(holder.uid)
  if (!values.json) return
  const figures = {
    overheadRatio: single.ratio,
    teardownMillis: single.teardownMs,
    burstRatio: burst,
    idleRssMiB,
  }
  const rounded = Object.entries(figures).map(([name, value]) => [name, Number(value.toFixed(2))])
  process.stdout.write(`${JSON.stringify(Object.fromEntries(rounded))}\n`)
}

async function measureSingle({ agent, facts, guest }: Bench, turns: number) {
  const [byAgent, byShell, bare]: [number[], number[], number[]] = [[], [], []]
  const [agentTeardown, shellTeardown]: [number[], number[]] = [[], []]
  for (let turn = 0; turn < turns; turn += 1) {
    const spec = guest()
    byAgent.push(await timeOf(1, () => agent.create(spec)))
    agentTeardown.push(await timeOf(1, () => agent.remove(spec.uid)))
    const shell = prepareShellGuest(guest(), facts)
    byShell.push(await timeOf(1, () => shell.create()))
    shellTeardown.push(await timeOf(1, () => shell.remove()))
    let end = async () => {}
    bare.push(
      await timeOf(1, async () => {
        end = await startBareQemu(spec, facts)
      }),
    )
    await end()
  }
  const [agentMs, shellMs, bareMs] = [median(byAgent), median(byShell), median(bare)]
  const [teardownMs, shellTeardownMs] = [median(agentTeardown), median(shellTeardown)]
  const ratio = agentMs / shellMs
  if (!values.json) {
    say(
      `create by the agent, median of ${turns}`,
      `${agentMs.toFixed(0)} ms = ${ratio.toFixed(2)} x the shell script's ${shellMs.toFixed(0)} ms (goal 1.2)`,
    )
    say(
      '  beside QEMU alone, without disk and NIC',
      `${(agentMs / bareMs).toFixed(2)} x ${bareMs.toFixed(0)} ms`,
    )
    say(
      'teardown by the agent',
      `${teardownMs.toFixed(0)} ms (goal 100), ${(teardownMs / shellTeardownMs).toFixed(2)} x the shell script's ${shellTeardownMs.toFixed(0)} ms, ${(teardownMs / bareMs).toFixed(2)} x QEMU's start`,
    )
  }
  return { ratio, teardownMs, shellMs }
}

/** The ideal is the script for as many guests, with as many at once as the agent lets programs run. */
async function measureBurst({ agent, facts, guest }: Bench, count: number, turns: number): Promise<number> {
  const [byAgent, byShell, teardown]: [number[], number[], number[]] = [[], [], []]
  for (let turn = 0; turn < turns; turn += 1) {
    const specs = Array.from({ length: count }, guest)
    byAgent.push(await timeOf(1, () => Promise.all(specs.map((spec) => agent.create(spec)))))
    teardown.push(await timeOf(1, () => Promise.all(specs.map(({ uid }) => agent.remove(uid)))))
    const shells = Array.from({ length: count }, () => prepareShellGuest(guest(), facts))
    const queue = new PQueue({ concurrency: programsAtOnce })
    byShell.push(await timeOf(1, () => queue.addAll(shells.map((shell) => shell.create))))
    await queue.addAll(shells.map((shell) => shell.remove))
  }
  const ratio = median(byAgent) / median(byShell)
  if (!values.json) {
    say(
      `${count} creates at once, ${availableParallelism()} cores`,
      `${median(byAgent).toFixed(0)} ms = ${ratio.toFixed(2)} x the ideal ${median(byShell).toFixed(0)} ms (goal 1.3)`,
    )
    say('  the ideal', `the shell script for ${count} guests, ${programsAtOnce} at once`)
    say(`  ${count} teardowns at once`, `${median(teardown).toFixed(0)} ms`)
  }
  return ratio
}

/** The agent's own processor time, and that of the programs that it starts to look after its networks. */
async function measureIdle({ agent, guest }: Bench, count: number): Promise<void> {
  const specs = Array.from({ length: count }, guest)
  await Promise.all(specs.map((spec) => agent.create(spec)))
  await sleep(settleMs)
  const from = readProcessorMs(agent.pid)
  await sleep(idleMs)
  const to = readProcessorMs(agent.pid)
  const share = (ms: number) => `${((ms / idleMs) * 100).toFixed(1)} %`
  say(
    `the agent beside ${count} guests that idle`,
    `${share(to.own - from.own)} of a core (goal 1 %), its programs ${share(to.programs - from.programs)}, ${readMemoryMib(agent.pid, 'VmRSS').toFixed(0)} MiB`,
  )
  await Promise.all(specs.map(({ uid }) => agent.remove(uid)))
}

function sayOthers(what: string, others: Others, shellMs: number): void {
  if (others.kind === 'not-measured') say(what, `not measured: ${others.why}`)
  else {
    const { createMs, removeMs } = others
    say(
      what,
      `${createMs.toFixed(0)} ms = ${(createMs / shellMs).toFixed(2)} x the shell script, ${removeMs.toFixed(0)} ms`,
    )
  }
}

function findCached({ directories }: AgentProcess, image: BlankImage): string {
  return join(directories.state, 'images', image.sha256)
}

function readDocument({ directories }: AgentProcess): string {
  const folder = join(directories.state, 'metadata')
  const [path] = readdirSync(folder, { recursive: true, encoding: 'utf8' }).filter((name) =>
    name.endsWith('.json'),
  )
  if (path === undefined) throw new Error('The agent has published no metadata.')
  return readFileSync(join(folder, path), 'utf8')
}

/** VmRSS: resident. RssAnon: what it alone would free, were it to end; Node itself is shared with the metadata service. */
function readMemoryMib(pid: number, field: 'VmRSS' | 'RssAnon'): number {
  const status = readFileSync(`/proc/${pid}/status`, 'utf8')
  return Number(new RegExp(`^${field}:\\s+(\\d+) kB`, 'm').exec(status)?.[1]) / 1024
}

function readChildren(pid: number): readonly number[] {
  return readFileSync(`/proc/${pid}/task/${pid}/children`, 'utf8')
    .trim()
    .split(' ')
    .filter(Boolean)
    .map(Number)
}

function readProcessorMs(pid: number): { own: number; programs: number } {
  const text = readFileSync(`/proc/${pid}/stat`, 'utf8')
  const fields = text.slice(text.lastIndexOf(')') + 2).split(' ')
  // In hundredths of a second: user and system, then those of children that have ended.
  const [user = 0, system = 0, childUser = 0, childSystem = 0] = fields.slice(11, 15).map(Number)
  return { own: (user + system) * 10, programs: (childUser + childSystem) * 10 }
}

/** What the agent leaves is a fault, and no matter for the sweep that follows. */
async function expectNothingLeft(
  directory: string,
  networkUid: string,
  taps: readonly string[],
): Promise<void> {
  const names = [bridgeName(networkUid), namespaceName(networkUid), servicePortName(networkUid), ...taps]
  const isOurs = (line: string) => names.some((name) => line.includes(name))
  let left: readonly string[] = []
  // The last trace, the agent's note of a teardown, goes once the scheduler has it.
  for (let look = 0; look < 50; look += 1) {
    const { links, namespaces, tables, processes, files } = readHostState(directory)
    const guestFiles = files.filter((file) => !file.endsWith('/identity.json'))
    left = [...[...links, ...namespaces, ...tables].filter(isOurs), ...processes, ...guestFiles]
    if (left.length === 0) return
    await sleep(100)
  }
  throw new Error(`The agent has left something: ${left.join(', ')}`)
}
