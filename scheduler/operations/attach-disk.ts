import { checkDeviceName } from '../admission/admit-disk.ts'
import type { AttachDiskRequest } from '../admission/disk-request.ts'
import { resolveReference } from '../admission/resolution.ts'
import { renderVolume, useDetails } from '../admission/spec.ts'
import { refuse, refuseAll } from '../errors.ts'
import type { Project } from '../model/catalogue.ts'
import type { Accepted } from './accepted.ts'
import { type ChangeRequest, changeInstance } from './change-instance.ts'
import type { Outcome } from './outcome.ts'
import type { OperationPorts } from './ports.ts'

export type AttachRequest = Omit<ChangeRequest, 'verb' | 'body'> & {
  readonly body: AttachDiskRequest
  readonly inProject: Project
  readonly serverHost: string
}

/** Durable once this resolves; whether the guest has it, the operation tells. */
export async function attachDisk(
  { inProject, serverHost, ...request }: AttachRequest,
  ports: OperationPorts,
): Promise<Outcome<Accepted>> {
  const { body, project } = request
  const { catalogue, store } = ports
  const { source: text, deviceName, ...wish } = body
  const reference = resolveReference(
    { text, field: 'source', collection: 'disks' },
    { catalogue, project: inProject, serverHost },
  )
  const problems = [
    ...checkDeviceName(deviceName),
    ...(reference.kind === 'refused' ? reference.problems : []),
  ]
  const [first, ...others] = problems
  if (first !== undefined) return refuseAll([first, ...others])
  const id = reference.kind === 'resolved' ? reference.value.id : ''
  const disk = await store.findDisk(project, id)
  if (disk === undefined) return refuse('REFERENCE_NOT_FOUND', { what: 'Disk', id }, 'source')
  const details = useDetails(disk, catalogue.region, { ...wish, deviceName: deviceName ?? '', boot: false })
  const attach = {
    ...{ diskUid: disk.uid, details, spec: renderVolume(details, disk) },
    ...(deviceName === undefined ? {} : { deviceName }),
  }
  return changeInstance({ ...request, verb: 'attachDisk', attach }, ports)
}
