// The guests of the host's benchmark: 32 MiB that idle in firmware, for a guest counts as up once its vCPUs run. All are
// alike, so that what is measured is their host and not they.
import { createHash } from 'node:crypto'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { v7 } from 'uuid'
import { tapName } from '../../agent/plan/names.ts'
import {
  DiskInterface,
  ImageFormat,
  type InstanceSpec,
  InstanceSpecSchema,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'

export const memoryMib = 32

export interface BlankImage {
  readonly path: string
  readonly sha256: string
}

export function makeBlankImage(folder: string): BlankImage {
  const path = join(folder, 'blank.raw')
  const content = Buffer.alloc(1024 * 1024)
  writeFileSync(path, content, { mode: 0o644 })
  return { path, sha256: createHash('sha256').update(content).digest('hex') }
}

let made = 0

/** The next guest of the network, with an address that no other has had. */
export function nextGuest(networkUid: string, image: BlankImage): InstanceSpec {
  made += 1
  const low = `${Math.floor(made / 250)}.${(made % 250) + 4}`
  const hex = made.toString(16).padStart(4, '0')
  return create(InstanceSpecSchema, {
    uid: v7(),
    id: `guest-${made}`,
    project: 'project-bench',
    region: 'us-texas-1',
    zone: 'us1-a',
    instanceType: 'g1-small',
    hostname: `guest-${made}`,
    vcpus: 1,
    memoryMib,
    disks: [
      {
        ...{ deviceName: 'disk0', sizeGb: 1, boot: true, interface: DiskInterface.VIRTIO },
        image: {
          ...{ id: 'blank', url: `file://${image.path}`, sha256: image.sha256, format: ImageFormat.RAW },
        },
      },
    ],
    nics: [
      {
        name: 'nic0',
        macAddress: `02:00:00:00:${hex.slice(0, 2)}:${hex.slice(2)}`,
        ipv4Address: `10.81.${low}`,
        network: {
          ...{ uid: networkUid, id: 'default', ipv4Cidr: '10.81.0.0/16', ipv4Gateway: '10.81.0.1' },
          ...{
            serviceIpv4: '10.81.0.2',
            serviceMac: '02:00:00:ff:00:01',
            mtu: 1500,
            domain: 'bench.internal',
          },
        },
      },
    ],
    createdAt: '2026-01-01T00:00:00.000Z',
  })
}

export const tapOf = (spec: InstanceSpec): string => tapName(spec.uid, 0)
