import { create, type MessageInitShape } from '@bufbuild/protobuf'
import { type InstanceSpec, InstanceSpecSchema } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'

/** A spec without disks and NICs, for guests that need neither. */
export function specOf(fields: MessageInitShape<typeof InstanceSpecSchema>): InstanceSpec {
  return create(InstanceSpecSchema, {
    uid: '0192f0c1-2345-7abc-8def-0123456789ab',
    id: 'small',
    hostname: 'small',
    vcpus: 1,
    memoryMib: 256,
    ...fields,
  })
}
