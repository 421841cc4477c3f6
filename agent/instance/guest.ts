import { create } from '@bufbuild/protobuf'
import {
  type GuestProcess,
  GuestProcessSchema,
  type InstanceRecord,
} from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import type { GuestHandle } from '../drivers/hypervisor/port.ts'
import { planEndTimeoutMs } from '../plan/end-timeout.ts'
import { instancePaths } from '../plan/paths.ts'
import type { InstancePorts } from './ports.ts'

export function processRecordOf(handle: GuestHandle, bootId: string): GuestProcess {
  return create(GuestProcessSchema, {
    pid: handle.process.pid,
    startTimeTicks: handle.process.startTimeTicks,
    bootId,
    unit: handle.unit ?? '',
    domain: handle.domain ?? '',
  })
}

/**
 * The guest's process: the journal's, or, where the agent was killed between starting it and writing that down, the one
 * that its driver finds.
 */
export async function findGuest(
  ports: InstancePorts,
  record: InstanceRecord,
): Promise<GuestHandle | undefined> {
  const { process: known, pinned, uid: instanceUid } = record
  if (!pinned) return undefined
  const paths = instancePaths(ports.directories, instanceUid)
  const endTimeoutMs = planEndTimeoutMs(record.spec ?? { gpus: [], memoryMib: 0 })
  const place = { instanceUid, paths, uid: pinned.runAsUid, endTimeoutMs }
  if (!known) return ports.hypervisor.find(place)
  if (known.bootId !== (await ports.processes.bootId())) return undefined
  const process = { pid: known.pid, startTimeTicks: known.startTimeTicks }
  return {
    ...{ ...place, process },
    ...(known.unit === '' ? {} : { unit: known.unit }),
    ...(known.domain === '' ? {} : { domain: known.domain }),
  }
}

/** Ends the guest if it is there, and removes what it had in the run directory. */
export async function endGuest(ports: InstancePorts, record: InstanceRecord): Promise<void> {
  const guest = await findGuest(ports, record)
  if (guest) await ports.hypervisor.kill(guest)
  await ports.files.remove(instancePaths(ports.directories, record.uid).runDirectory)
}
