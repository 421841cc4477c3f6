// What each `berth instances …` does once its flags are read: asks the API, prints the answer. In: flags and ids. Out:
// text on standard output, progress on standard error, a CliError where it goes wrong.
import { readFileSync } from 'node:fs'
import { homedir, userInfo } from 'node:os'
import { systemClock } from '../../lib/clock.ts'
import { systemRandom } from '../../lib/random.ts'
import { type ChangeRequest, createClient } from '../client/client.ts'
import type { Instance, InstanceRequest } from '../client/resources.ts'
import { type ContextFlags, resolveContext } from '../context/context.ts'
import { exitCodes, usageError } from '../exit-codes.ts'
import { forEach } from '../output/each.ts'
import { parseOutputFormat, type Rendering, renderOutput } from '../output/format.ts'
import { type Progress, showProgress } from '../output/progress.ts'
import { batchPlanView } from './batch-plan-view.ts'
import { runConsole } from './console.ts'
import { type CreateFlags, makeCreateRequest } from './create-request.ts'
import { makeBatchRequest, type SeveralFlags } from './create-several.ts'
import { attributeList, eventList, instanceList, oneInstance } from './instance-view.ts'
import { placementView } from './placement-view.ts'
import { planView } from './plan-view.ts'
import { followSerial } from './serial.ts'
import { makeUpdatePatch, type UpdateFlags } from './update-patch.ts'
import { waitForOperation, waitUntilGone, waitUntilStarted } from './wait.ts'
import { watchInstances } from './watch.ts'

interface CommonFlags extends ContextFlags {
  readonly output: string
}
interface WaitFlags {
  readonly wait: boolean
  readonly timeout: number
}

const clock = systemClock
const random = systemRandom

const clientOf = (flags: ContextFlags) => createClient({ context: resolveContext(flags), clock, random })

async function print<Value>(value: Value, flags: CommonFlags, rendering: Rendering<Value>): Promise<void> {
  const text = await renderOutput(value, parseOutputFormat(flags.output), rendering)
  if (text !== '') process.stdout.write(`${text}\n`)
}

const sayState = (progress: Progress) => (instance: Instance) =>
  progress.say(`${instance.lifecycle.status.padEnd(14)}  ${instance.lifecycle.statusMessage}`)

const waiting = (flags: WaitFlags) => ({ clock, random, timeoutMs: flags.timeout * 1000 })
// Some terminals do not know their width, or are too narrow for a live list.
const titled = (title: string) => ({
  title,
  clock,
  isTerminal: process.stderr.isTTY && process.stderr.columns >= 40,
})

export async function createAction(
  id: string | undefined,
  flags: CommonFlags & CreateFlags & SeveralFlags & WaitFlags & { readonly idempotencyKey?: string },
): Promise<void> {
  parseOutputFormat(flags.output)
  const context = resolveContext(flags)
  const body = bodyOf(id, flags, context.region)
  const batch = makeBatchRequest(body, flags)
  const client = createClient({ context, clock, random })
  const idempotencyKey = flags.idempotencyKey ?? random.uuid()
  const started = (created: Instance) =>
    showProgress(titled(`Creating instance ${created.id}`), (progress) =>
      waitUntilStarted(created, { client, ...waiting(flags), onChange: sayState(progress) }),
    )
  if (batch === undefined) {
    const created = await client.createInstance({ body, idempotencyKey })
    await print(flags.wait ? await started(created) : created, flags, oneInstance)
    return
  }
  const all: Instance[] = []
  for (const created of await client.createInstances({ body: batch, idempotencyKey })) {
    all.push(flags.wait ? await started(created) : created)
  }
  await print(all, flags, instanceList(clock.nowMs()))
}

export async function listAction(
  flags: CommonFlags & {
    readonly filter?: string
    readonly orderBy?: string
    readonly limit?: number
    readonly watch?: true
  },
): Promise<void> {
  const { filter, orderBy, limit } = flags
  const client = clientOf(flags)
  if (flags.watch) {
    if (orderBy !== undefined) {
      throw usageError('--watch shows instances in the order of their changes: leave --order-by out.')
    }
    if (limit !== undefined) throw usageError('--watch shows all that changes: leave --limit out.')
    await watchInstances(client, {
      ...{ format: parseOutputFormat(flags.output), clock },
      ...(filter === undefined ? {} : { filter }),
    })
    return
  }
  const instances = await client.listInstances({
    ...(filter === undefined ? {} : { filter }),
    ...(orderBy === undefined ? {} : { orderBy }),
    ...(limit === undefined ? {} : { limit }),
  })
  await print(instances, flags, instanceList(clock.nowMs()))
}

export async function planAction(
  id: string | undefined,
  flags: CommonFlags & CreateFlags & SeveralFlags,
): Promise<void> {
  parseOutputFormat(flags.output)
  const context = resolveContext(flags)
  const body = bodyOf(id, flags, context.region)
  const batch = makeBatchRequest(body, flags)
  const client = createClient({ context, clock, random })
  const show = async <Plan extends { verdict: string }>(plan: Plan, view: Rendering<Plan>) => {
    await print(plan, flags, view)
    if (plan.verdict !== 'FITS') process.exitCode = exitCodes.conflict
  }
  if (batch === undefined) await show(await client.planInstance(body), planView)
  else await show(await client.planInstances(batch), batchPlanView)
}

const bodyOf = (id: string | undefined, flags: CreateFlags, region: string): InstanceRequest =>
  makeCreateRequest(id === undefined ? flags : { ...flags, id }, {
    region,
    defaultUser: userInfo().username === 'root' ? 'admin' : userInfo().username,
    readFile: readTextFile,
  })

export async function getAction(id: string, flags: CommonFlags): Promise<void> {
  await print(await clientOf(flags).getInstance(id), flags, oneInstance)
}

export async function eventsAction(id: string, flags: CommonFlags): Promise<void> {
  await print(await clientOf(flags).listEvents(id), flags, eventList)
}

export async function explainAction(id: string, flags: CommonFlags): Promise<void> {
  await print(await clientOf(flags).getPlacement(id), flags, placementView)
}

export async function guestAttributesAction(
  id: string,
  path: string | undefined,
  flags: CommonFlags,
): Promise<void> {
  await print(await clientOf(flags).readGuestAttributes(id, path), flags, attributeList)
}

export async function deleteAction(ids: readonly string[], flags: CommonFlags & WaitFlags): Promise<void> {
  const client = clientOf(flags)
  await forEach(ids, async (id) => {
    const { uid } = await client.getInstance(id)
    await client.deleteInstance(uid)
    if (flags.wait) {
      await showProgress(titled(`Deleting instance ${id}`), async (progress) => {
        await waitUntilGone(uid, { client, ...waiting(flags), onChange: sayState(progress) })
        progress.say('gone')
      })
    }
    process.stdout.write(`${flags.wait ? 'Deleted' : 'Deleting'} ${id}\n`)
  })
}

export async function verbAction(
  verb: ChangeRequest['verb'],
  ids: readonly string[],
  flags: CommonFlags & WaitFlags & { readonly force?: true },
): Promise<void> {
  parseOutputFormat(flags.output)
  const client = clientOf(flags)
  await forEach(ids, async (id) => {
    const body = flags.force ? { force: true } : undefined
    const request = { id, verb, idempotencyKey: random.uuid() }
    const changed = await client.changeInstance(body === undefined ? request : { ...request, body })
    const last = !flags.wait
      ? changed
      : await showProgress(titled(`${verb} ${id}`), (progress) =>
          waitForOperation(changed, { client, ...waiting(flags), onChange: sayState(progress) }),
        )
    await print(last, flags, oneInstance)
  })
}

export async function updateAction(id: string, flags: CommonFlags & UpdateFlags): Promise<void> {
  const client = clientOf(flags)
  const patch = makeUpdatePatch(flags, { before: await client.getInstance(id), readFile: readTextFile })
  await print(await client.updateInstance({ id, patch, idempotencyKey: random.uuid() }), flags, oneInstance)
}

export async function serialAction(
  id: string,
  flags: CommonFlags & { readonly start: string; readonly follow?: true },
): Promise<void> {
  if (!/^-?\d+$/.test(flags.start)) throw usageError(`--start ${flags.start}: write a byte offset.`)
  const client = clientOf(flags)
  const write = (text: string) => process.stdout.write(text)
  const note = (line: string) => process.stderr.write(`${line}\n`)
  if (flags.follow) {
    await followSerial({ id, start: flags.start }, { client, clock, random, write, note })
    return
  }
  const output = await client.readSerial({ id, start: flags.start })
  if (flags.output !== 'table') {
    await print(output, flags, { table: () => output.contents, names: () => [output.next] })
    return
  }
  write(output.contents)
  note(`\nNext time, only what is new: --start ${output.next}`)
}

export async function consoleAction(id: string, flags: CommonFlags): Promise<void> {
  const interruption = new AbortController()
  for (const name of ['SIGINT', 'SIGTERM', 'SIGHUP'] as const) {
    process.once(name, () => interruption.abort())
  }
  const client = clientOf(flags)
  await runConsole(id, (listeners) => client.openConsole(id, listeners), {
    ...{ input: process.stdin, output: process.stdout },
    note: (line) => process.stderr.write(`${line}\n`),
    signal: interruption.signal,
  })
}

/** A shell expands ~ only at the start of a word, and here it stands behind an @. */
function readTextFile(path: string): string {
  try {
    return readFileSync(path.replace(/^~(?=\/)/, homedir()), 'utf8')
  } catch {
    throw usageError(`The file ${path} can't be read.`)
  }
}
