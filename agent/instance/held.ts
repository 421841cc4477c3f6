import { create } from '@bufbuild/protobuf'
import type { Disk } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import {
  type HeldResource,
  HeldResourceSchema,
  type InstanceRecord,
} from '../../proto/gen/berth/journal/v1/journal_pb.ts'
import { pciAddress } from '../../proto/ids.ts'
import type { Fabric } from '../device/fabric.ts'
import { instancePaths, volumePaths } from '../plan/paths.ts'
import type { Step } from '../plan/plan-instance.ts'
import { endGuest } from './guest.ts'
import type { InstancePorts } from './ports.ts'

/**
 * What a step leaves on the host, written to the journal before the step is done: whoever comes after a killed agent
 * knows what may be there. Names hold all that undoing needs.
 */
export function heldByStep(step: Step): HeldResource | undefined {
  switch (step.kind) {
    case 'fetch-image':
    case 'fetch-blob':
      // The cache's, not the instance's.
      return undefined
    case 'find-partition':
      return undefined
    case 'make-disk':
      return heldByDisk(step.disk)
    case 'bind-device':
      return held('device', step.address)
    case 'activate-partition':
      // Which one, what owns partitions has noted.
      return held('partition', 'gpus')
    case 'join-network':
      return held('network', step.network.uid)
    case 'publish-metadata':
      return held('metadata', `${step.networkUid} ${step.ipv4Address}`)
    case 'connect-port':
      return held('port', `${step.network.uid} ${step.tap} ${step.macAddress}`)
    case 'write-seed-disk':
      return held('seed-disk', 'cidata')
    case 'start-guest':
      return held('guest', 'qemu')
  }
}

/** A volume is held while a guest has it, and stays when it is let go. */
export const heldByDisk = ({ deviceName, volumeUid }: Disk): HeldResource =>
  volumeUid === '' ? held('disk', deviceName) : held('volume', volumeUid)

const held = (kind: string, name: string) => create(HeldResourceSchema, { kind, name })

/** @throws where the settings that it was there by have been taken back */
export function requireFabric({ devices }: InstancePorts): Fabric {
  if (devices.fabric) return devices.fabric
  throw new Error(
    'A partition of GPUs is held, and the settings name no fabricManager any more: name it again.',
  )
}

export function isHeld(record: InstanceRecord, resource: Pick<HeldResource, 'kind' | 'name'>): boolean {
  return record.held.some((one) => one.kind === resource.kind && one.name === resource.name)
}

/** Undoes one resource; what is gone already is fine. */
export async function undoHeld(
  ports: InstancePorts,
  record: InstanceRecord,
  resource: HeldResource,
): Promise<void> {
  const [first = '', second = '', third = ''] = resource.name.split(' ')
  switch (resource.kind) {
    case 'guest':
      await endGuest(ports, record)
      return
    case 'port':
      await ports.network.removePort({ networkUid: first, tap: second, macAddress: third })
      return
    case 'metadata':
      await ports.metadata.withdraw(first, second)
      return
    case 'network':
      await ports.networkUse.leave(first, record.uid)
      return
    case 'device':
      await ports.devices.release(pciAddress(first), record.uid)
      return
    case 'partition':
      await requireFabric(ports).release(record.uid)
      return
    case 'disk':
      await ports.files.remove(
        instancePaths(ports.directories, record.uid).disk({ deviceName: first, volumeUid: '' }),
      )
      return
    case 'seed-disk':
      await ports.disk.removeSeedDisk(instancePaths(ports.directories, record.uid).seedDisk)
      return
    case 'volume': {
      const { data } = volumePaths(ports.directories, first)
      if (await ports.files.stat(data)) await ports.files.changeOwner(data, { uid: 0, gid: 0 })
      return
    }
    default:
      throw new Error(
        `The journal of instance ${record.uid} holds a ${resource.kind}, which this agent can't undo.`,
      )
  }
}
