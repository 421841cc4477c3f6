import {
  InstancePhase,
  type InstanceSpec,
  type Progress,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type InstanceRecord, MemoryFile } from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { DownloadProgress } from '../host/ports.ts'
import { instancePaths } from '../plan/paths.ts'
import { planPinned, repinDisks, repinGpus } from '../plan/pinned.ts'
import { describeStep, planInstance, type Step } from '../plan/plan-instance.ts'
import { failureOf } from './failure.ts'
import { heldByStep, isHeld } from './held.ts'
import type { InstancePorts } from './ports.ts'
import { runStep } from './run-step.ts'
import type { Fetched } from './step-context.ts'
import { carryOutAll, inOrder } from './step-order.ts'

export interface StageContext {
  readonly ports: InstancePorts
  readonly signal: AbortSignal
  record(): InstanceRecord
  change(change: Partial<InstanceRecord>): Promise<void>
  /** Told, not journalled. */
  progress(message: string, progress: Omit<Progress, '$typeName' | '$unknown'>): void
  allocateUid(): number
}

/**
 * Brings the guest up step by step, or undoes everything and says why. An aborted run leaves its steps for who aborted.
 * @throws after a reboot of the host or a crash: what was done stays for the next try
 */
export async function stage(context: StageContext): Promise<void> {
  const { ports, signal } = context
  const { spec, generation, appliedGeneration } = context.record()
  if (!spec) throw new Error(`Instance ${context.record().uid} is to run but its journal has no spec.`)
  const steps = planInstance(spec, { hasFabric: ports.devices.fabric !== undefined })
  const fetched: Fetched = { images: new Map(), blobs: new Map() }
  const learnt: Partial<InstanceRecord> = {}
  let connected = Promise.resolve()
  const carryOut = async (step: Step, onStartable: () => void) => {
    signal.throwIfAborted()
    const doing = describeStep(step)
    const number = { step: step.kind, stepNumber: steps.indexOf(step) + 1, stepCount: steps.length }
    const tell = ({ doneBytes, totalBytes }: DownloadProgress) =>
      context.progress(sentenceOf(doing, doneBytes, totalBytes), {
        ...number,
        doneBytes: BigInt(doneBytes),
        totalBytes: BigInt(totalBytes),
      })
    tell({ doneBytes: 0, totalBytes: 0 })
    try {
      const fetchOptions = { signal, onProgress: tell }
      Object.assign(
        learnt,
        await runStep({ ...context, spec, fetched, fetchOptions, onStartable, connected }, step),
      )
    } catch (cause) {
      throw new StepFailed(doing, { cause })
    }
  }
  try {
    const { fetches, parts, last } = inOrder(steps)
    await carryOutAll([fetches], carryOut).all
    await prepare(context, [...parts.flat(), ...last])
    const underway = carryOutAll(parts, carryOut)
    connected = underway.all
    // QEMU takes as long to start as it takes to filter its NICs: at once, and no vCPU runs before.
    const started = (await underway.startable) ? carryOutAll([last], carryOut).all : undefined
    await Promise.allSettled([started])
    await underway.all
    await started
    const { slownessWarning } = ports.machine
    await context.change({
      ...learnt,
      phase: InstancePhase.RUNNING,
      appliedGeneration: generation,
      reason: 'RUNNING',
      message: ['The guest is running.', slownessWarning].filter(Boolean).join(' '),
    })
  } catch (thrown) {
    if (signal.aborted) return
    // Nobody has asked for this start, and nobody waits to ask again: it is tried until it works, or is stopped.
    if (unasked.has(context.record().reason)) throw thrown
    const isResumable = context.record().memoryFile === MemoryFile.SAVED
    const advice = isResumable ? keptMemory : appliedGeneration > 0 ? keptDisks : undefined
    const failure =
      thrown instanceof StepFailed
        ? failureOf(thrown.cause, thrown.doing, advice)
        : failureOf(thrown, 'preparing', advice)
    ports.log.warn(
      { err: thrown, instanceUid: spec.uid, reason: failure.reason },
      'An instance could not be brought up.',
    )
    // Told first: people need not wait for the clean-up, which is the next action; the claims go only after it.
    const { FAILED, STOPPED, SUSPENDED } = InstancePhase
    // One that has run before has data: it stays, and can be started again.
    const phase = isResumable ? SUSPENDED : appliedGeneration > 0 ? STOPPED : FAILED
    await context.change({ phase, ...failure })
  }
}

const unasked: ReadonlySet<string> = new Set(['HOST_REBOOTED', 'GUEST_CRASHED'])

const keptMemory = 'Its memory is kept: resume it again, or stop it to give the memory up.'
const keptDisks = 'Its disks are kept: start it again; if it fails again, ask the operator.'

class StepFailed extends Error {
  override readonly name = 'StepFailed'
  readonly doing: string

  constructor(doing: string, options: { cause: unknown }) {
    super(`${doing} failed`, options)
    this.doing = doing
  }
}

/**
 * A user of its own and a machine that stays the same: chosen at the first start. With them all that the steps to come may
 * leave on the host is noted, in one write before the first of them.
 */
async function prepare(context: StageContext, steps: readonly Step[]): Promise<void> {
  const { ports } = context
  const { uid, spec, held } = context.record()
  const missing = steps
    .flatMap((step) => heldByStep(step) ?? [])
    .filter((resource) => !isHeld(context.record(), resource))
  await context.change({ held: [...held, ...missing], ...(spec ? await pinnedFor(context, spec) : {}) })
  await ports.files.makeDirectory(instancePaths(ports.directories, uid).directory, { mode: 0o711 })
}

async function pinnedFor(context: StageContext, spec: InstanceSpec): Promise<Pick<InstanceRecord, 'pinned'>> {
  const { pinned } = context.record()
  const hardware = spec.gpus.length > 0 ? await context.ports.hardwareUse?.read() : undefined
  if (!pinned) {
    const { machineType, accelerator } = context.ports.machine
    const facts = { machineType, accelerator, runAsUid: context.allocateUid() }
    return { pinned: planPinned(spec, facts, hardware) }
  }
  const repinned = repinDisks(pinned, spec.disks)
  if (!repinned) throw new Error('its machine has no free slot for another disk: detach one')
  return { pinned: repinGpus(repinned, spec, hardware) }
}

function sentenceOf(doing: string, doneBytes: number, totalBytes: number): string {
  const sentence = `${doing.charAt(0).toUpperCase()}${doing.slice(1)}`
  if (doneBytes === 0) return `${sentence}.`
  const mib = (bytes: number) => Math.round(bytes / 1024 ** 2)
  return totalBytes > 0
    ? `${sentence}: ${mib(doneBytes)} of ${mib(totalBytes)} MiB.`
    : `${sentence}: ${mib(doneBytes)} MiB.`
}
