import { formatTimestamp } from '../../lib/clock.ts'
import type { Random } from '../../lib/random.ts'
import { type InstanceUid, instanceUid, projectId } from '../../proto/ids.ts'
import { admitInstance } from '../admission/admit.ts'
import { type InstanceRequest, maximumNics } from '../admission/instance-request.ts'
import type { AdmissionContext } from '../admission/resolution.ts'
import { parseReference } from '../admission/resource-path.ts'
import type { Problem } from '../errors.ts'
import type { Project } from '../model/catalogue.ts'
import type { OperationPorts } from './ports.ts'

/** Of an instance that is wanted, what decides whether it may be asked. */
export interface Asked {
  readonly body: InstanceRequest
  readonly project: Project
  readonly serverHost: string
}

type Ports = Pick<OperationPorts, 'catalogue' | 'clock' | 'random' | 'store'>

/** What admission may look at, with names and addresses made for one attempt. */
export async function readAdmissionContext(
  { body, project, serverHost }: Asked,
  uid: InstanceUid,
  { catalogue, clock, random, store }: Ports,
): Promise<AdmissionContext> {
  const ids = (body.disks ?? []).flatMap(({ source = '' }) => {
    const reference = parseReference(source, 'disks', serverHost)
    return reference.kind === 'malformed' ? [] : reference.id
  })
  const disks = await Promise.all(ids.map((id) => store.findDisk(projectId(project.id), id)))
  const reservations =
    body.reservation === undefined ? undefined : await store.listReservations(projectId(project.id))
  return {
    ...(reservations === undefined ? {} : { reservations }),
    disks: disks.filter((disk) => disk !== undefined),
    catalogue,
    project,
    serverHost,
    identity: {
      uid,
      generatedId: `instance-${random.slug(6)}`,
      createdAt: formatTimestamp(clock.nowMs()),
      macAddresses: makeMacAddresses(Math.min(body.nics?.length ?? 1, maximumNics), random),
    },
  }
}

/** 02:be:… is locally administered; the high bit keeps clear of the service address 02:be:72:00:00:01. */
function makeMacAddresses(count: number, random: Random): readonly string[] {
  const bytes = random.bytes(4 * count)
  return Array.from({ length: count }, (_, nic) => {
    const [first = 0, ...rest] = bytes.subarray(4 * nic, 4 * nic + 4)
    return [0x02, 0xbe, first | 0x80, ...rest].map((byte) => byte.toString(16).padStart(2, '0')).join(':')
  })
}

/** What admission would say, and nothing done. */
export async function findMeaningProblems(asked: Asked, ports: Ports): Promise<readonly Problem[]> {
  const context = await readAdmissionContext(asked, instanceUid(ports.random.uuid()), ports)
  const admission = admitInstance(asked.body, context)
  return admission.kind === 'refused' ? admission.problems : []
}
