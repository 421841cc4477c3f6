// Runs guests in libvirt's QEMU, spoken to by virsh. In: plans with nothing left to choose. Out: handles that survive the
// agent and libvirt, and the news when a guest ends. Whether a guest lives is asked of its process: that libvirt does not
// answer, or knows nothing, is no end of it.
import type { Clock } from '../../../../lib/clock.ts'
import type { Logger } from '../../../../lib/log.ts'
import { type Exec, ExecError, type Files, type Processes, type Terminals } from '../../../host/ports.ts'
import { findDomainProblem, renderDomain } from '../../../plan/domain-xml.ts'
import { domainName } from '../../../plan/names.ts'
import { endByForce } from '../end-by-force.ts'
import {
  type GuestEnd,
  type GuestHandle,
  type GuestPlace,
  type GuestPlan,
  type GuestStatus,
  type HypervisorDriver,
  HypervisorError,
} from '../port.ts'
import { closeShared, groupOf, openShared } from './access.ts'
import { createDomainDisks } from './domain-disks.ts'
import { EndWatch } from './end-watch.ts'
import { readEndReason } from './ending.ts'
import { saveDomain } from './memory.ts'
import { createConsolePort } from './serial.ts'
import { createVirsh, VirshError } from './virsh.ts'

export interface LibvirtDriverOptions {
  readonly exec: Exec
  readonly files: Files
  readonly processes: Processes
  readonly terminals: Terminals
  readonly clock: Clock
  readonly log: Logger
  readonly imageDirectory: string
}

/** libvirt's own, which no guest can write to. */
const pidDirectory = '/run/libvirt/qemu'
/** libvirt asks QEMU for some ten seconds before it forces it. */
const destroyTimeoutMs = 60_000

export function createLibvirtDriver(options: LibvirtDriverOptions): HypervisorDriver {
  const { files, processes, log } = options
  const virsh = createVirsh(options)

  const find = async (place: GuestPlace): Promise<GuestHandle | undefined> => {
    const domain = domainName(place.instanceUid)
    const content = await files.read(`${pidDirectory}/${domain}.pid`)
    const pid = content === undefined ? Number.NaN : Number.parseInt(new TextDecoder().decode(content), 10)
    const process = pid > 1 ? await processes.identify(pid) : undefined
    return process && { ...place, process, domain }
  }

  const start = async (plan: GuestPlan): Promise<GuestHandle> => {
    const { spec, paths } = plan.machine
    const problem = findDomainProblem(plan.machine)
    if (problem !== undefined) throw new HypervisorError('START_FAILED', problem)
    const { endTimeoutMs } = plan
    const place = { instanceUid: spec.uid, paths, uid: plan.runAs.uid, endTimeoutMs }
    try {
      await openShared(options, plan)
      await make(plan)
      const guest = await find(place)
      if (!guest) throw new HypervisorError('START_FAILED', 'QEMU ended right after it had started.')
      await plan.memory?.onLoaded()
      await plan.connected
      await virsh(spec.uid, 'resume')
      return guest
    } catch (thrown) {
      await endDomain(spec.uid)
      const left = await find(place)
      if (left) await kill(left)
      await closeShared(options, place.uid)
      throw startErrorOf(thrown, plan)
    }
  }

  const make = async ({ machine, memory, startTimeoutMs, ...plan }: GuestPlan): Promise<void> => {
    const { uid } = machine.spec
    if (memory) await virsh(uid, 'restore', [memory.path, '--paused'], { timeoutMs: startTimeoutMs })
    else {
      const { domain } = machine.paths
      const runAs = { uid: plan.runAs.uid, gid: groupOf(plan) }
      await files.writeAtomic(domain, renderDomain({ ...plan, machine, runAs }), { durable: false })
      await virsh(uid, 'create', [domain, '--paused', '--validate'], { timeoutMs: startTimeoutMs })
    }
  }

  /** Where it can't be asked, whatever the reason, the guest is ended by its process. */
  const endDomain = async (instanceUid: string): Promise<void> => {
    try {
      await virsh(instanceUid, 'destroy', [], { timeoutMs: destroyTimeoutMs })
    } catch (thrown) {
      if (!(thrown instanceof VirshError)) throw thrown
      if (thrown.kind !== 'no-domain') {
        log.warn({ err: thrown, instanceUid }, 'libvirt could not end a guest.')
      }
    }
  }

  const kill = async (guest: GuestHandle): Promise<void> => {
    ends.forget(guest.instanceUid)
    await endDomain(guest.instanceUid)
    if (!(await processes.waitGone(guest.process, 0))) await endByForce(processes, guest)
    await closeShared(options, guest.uid)
  }

  const status = async (guest: GuestHandle): Promise<GuestStatus> => {
    const { instanceUid, process } = guest
    if (!(await processes.isAlive(process))) return readEnded(guest)
    try {
      const state = await virsh(instanceUid, 'domstate')
      if (state === 'paused') return { kind: 'paused' }
      // The guest has powered off, and libvirt is about to end its QEMU.
      return { kind: state === 'in shutdown' ? 'powered-off' : 'running' }
    } catch (thrown) {
      if (!(await processes.isAlive(process))) return readEnded(guest)
      // It lives, and libvirt does not tell: what is known is that it is there.
      log.warn({ err: thrown, pid: process.pid }, 'libvirt does not tell of a guest that runs.')
      return { kind: 'running' }
    }
  }

  const readEnded = async ({ instanceUid }: GuestHandle): Promise<GuestStatus> => {
    const reason = await readEndReason({ ...options, virsh }, instanceUid)
    return { kind: reason === 'shutdown' ? 'powered-off' : 'gone' }
  }

  const readEnd = async ({ instanceUid }: GuestHandle): Promise<GuestEnd> => {
    const reason = await readEndReason({ ...options, virsh }, instanceUid)
    if (reason === 'shutdown') return { kind: 'powered-off' }
    const said = reason === undefined ? 'libvirt does not say why' : `libvirt says: ${reason}`
    return { kind: 'crashed', message: `its process is gone (${said}).` }
  }
  const ends = new EndWatch({ ...options, readEnd })

  return {
    start,
    find,
    status,
    kill,
    watch: (guest, onEnd) => ends.watch(guest, onEnd),
    powerDown: async ({ instanceUid }) => void (await virsh(instanceUid, 'shutdown', ['--mode', 'acpi'])),
    reset: async ({ instanceUid }) => void (await virsh(instanceUid, 'reset')),
    resume: async ({ instanceUid }) => {
      if ((await virsh(instanceUid, 'domstate')) === 'paused') await virsh(instanceUid, 'resume')
    },
    saveMemory: (guest, path) => saveDomain({ files, virsh }, guest, path),
    ...createDomainDisks({ ...options, virsh }),
    ...createConsolePort(options),
  }
}

function startErrorOf(thrown: unknown, { startTimeoutMs }: GuestPlan): unknown {
  if (thrown instanceof HypervisorError) return thrown
  const { cause } = thrown instanceof VirshError ? thrown : {}
  if (cause instanceof ExecError && cause.kind === 'timeout') {
    const message = `libvirt did not start QEMU in ${startTimeoutMs / 1000} s.`
    return new HypervisorError('START_TIMEOUT', message, { cause: thrown })
  }
  if (!(thrown instanceof VirshError || thrown instanceof ExecError)) return thrown
  return new HypervisorError('START_FAILED', `QEMU did not start: ${thrown.message}.`, { cause: thrown })
}
