import type { Files, Processes, Sysfs } from '../../host/ports.ts'
import { guestUnitName } from '../../plan/names.ts'
import type { GuestHandle, GuestPlace } from './port.ts'

/** The process of a guest's pid file. The guest itself can write that file, so it counts only if it runs as the guest's user. */
export async function findByPidFile(
  doors: { readonly files: Files; readonly processes: Processes; readonly sysfs: Sysfs },
  place: GuestPlace,
): Promise<GuestHandle | undefined> {
  const { files, processes, sysfs } = doors
  const content = await files.read(place.paths.pidFile)
  if (!content) return undefined
  const pid = Number.parseInt(new TextDecoder().decode(content), 10)
  const process = Number.isInteger(pid) && pid > 1 ? await processes.identify(pid) : undefined
  if (!process) return undefined
  const status = (await sysfs.read(`proc/${pid}/status`)) ?? ''
  if (Number(/^Uid:\s+(\d+)/m.exec(status)?.[1]) !== place.uid) return undefined
  const cgroup = (await sysfs.read(`proc/${pid}/cgroup`)) ?? ''
  const unit = guestUnitName(place.instanceUid)
  return { ...place, process, ...(cgroup.includes(unit) ? { unit } : {}) }
}
