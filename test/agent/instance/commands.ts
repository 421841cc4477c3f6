import { create } from '@bufbuild/protobuf'
import {
  DesiredState,
  DiskInterface,
  type InstanceSpec,
  InstanceSpecSchema,
} from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { type Command, CommandSchema, ObjectKind } from '../../../proto/gen/berth/agent/v1/session_pb.ts'

export const instanceUid = '0192f0c1-2345-7abc-8def-0123456789ab'

/** One of everything that a step can make. */
export const spec: InstanceSpec = create(InstanceSpecSchema, {
  uid: instanceUid,
  id: 'one',
  hostname: 'one',
  vcpus: 1,
  memoryMib: 512,
  disks: [
    {
      deviceName: 'disk0',
      sizeGb: 1,
      boot: true,
      interface: DiskInterface.VIRTIO,
      image: {
        id: 'small',
        url: 'file:///a',
        sha256: 'a'.repeat(64),
        seedDisk: true,
        directKernel: { kernel: { sha256: 'b'.repeat(64) }, initrd: { sha256: 'c'.repeat(64) } },
      },
    },
  ],
  nics: [
    { name: 'nic0', macAddress: '02:00:00:00:00:01', ipv4Address: '10.0.0.2', network: { uid: 'net-1' } },
  ],
  gpus: [{ type: 'nvidia-h100-80gb', address: '0000:3b:00.0' }],
})

export function commandFor(wish: {
  desired: keyof typeof DesiredState
  generation: number
  stopDeadlineMs?: number
  startGeneration?: number
  resetGeneration?: number
  noticeMs?: number
  spec?: InstanceSpec
}): Command {
  const desiredState = DesiredState[wish.desired]
  return create(CommandSchema, {
    sequence: BigInt(wish.generation),
    commandId: `command-${wish.generation}`,
    epoch: 1,
    kind: ObjectKind.INSTANCE,
    uid: instanceUid,
    generation: wish.generation,
    body: {
      case: 'ensureInstance',
      value: {
        desiredState,
        stopDeadlineMs: wish.stopDeadlineMs ?? 1000,
        startGeneration: wish.startGeneration ?? (wish.desired === 'RUNNING' ? wish.generation : 1),
        resetGeneration: wish.resetGeneration ?? 0,
        ...(wish.noticeMs === undefined ? {} : { maintenance: { noticeMs: wish.noticeMs } }),
        ...(desiredState === DesiredState.ABSENT ? {} : { spec: wish.spec ?? spec }),
      },
    },
  })
}
