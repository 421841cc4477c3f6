import { create } from '@bufbuild/protobuf'
import {
  type GuestProcess,
  GuestProcessSchema,
  type InstanceRecord,
} from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { GuestHandle } from '../drivers/hypervisor/port.ts'
import { guestUnitName } from '../plan/names.ts'
import { instancePaths } from '../plan/paths.ts'
import type { InstancePorts } from './ports.ts'

export function processRecordOf(
  handle: GuestHandle,
  at: { readonly bootId: string; readonly cpus?: readonly number[] },
): GuestProcess {
  return create(GuestProcessSchema, {
    pid: handle.process.pid,
    startTimeTicks: handle.process.startTimeTicks,
    bootId: at.bootId,
    unit: handle.unit ?? '',
    cpus: [...(at.cpus ?? [])],
  })
}

/**
 * The guest's process: the journal's, or, where the agent was killed between starting it and writing that down, the one
 * of the pid file. The guest itself can write that file, so a process counts only if it runs as the guest's own user.
 */
export async function findGuest(
  ports: InstancePorts,
  record: InstanceRecord,
): Promise<GuestHandle | undefined> {
  const { processes, files, sysfs } = ports
  const known = record.process
  if (known) {
    if (known.bootId !== (await processes.bootId())) return undefined
    const process = { pid: known.pid, startTimeTicks: known.startTimeTicks }
    return { process, ...(known.unit === '' ? {} : { unit: known.unit }) }
  }
  const content = await files.read(instancePaths(ports.directories, record.uid).pidFile)
  if (!content || !record.pinned) return undefined
  const pid = Number.parseInt(new TextDecoder().decode(content), 10)
  const process = Number.isInteger(pid) && pid > 1 ? await processes.identify(pid) : undefined
  if (!process) return undefined
  const status = (await sysfs.read(`proc/${pid}/status`)) ?? ''
  const uid = Number(/^Uid:\s+(\d+)/m.exec(status)?.[1])
  if (uid !== record.pinned.runAsUid) return undefined
  const cgroup = (await sysfs.read(`proc/${pid}/cgroup`)) ?? ''
  const unit = guestUnitName(record.uid)
  return cgroup.includes(unit) ? { process, unit } : { process }
}

/** Ends the guest if it is there, and removes what it had in the run directory. */
export async function endGuest(ports: InstancePorts, record: InstanceRecord): Promise<void> {
  const paths = instancePaths(ports.directories, record.uid)
  const guest = await findGuest(ports, record)
  if (guest) await ports.hypervisor.kill(guest, paths.qmpSocket)
  await ports.files.remove(paths.runDirectory)
}
