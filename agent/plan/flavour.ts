import { type InstanceSpec, MetadataFlavour } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { bootImage, hasSeedDisk } from './plan-instance.ts'

/** What of the metadata services the image looks for. */
export type Flavour = 'NOCLOUD' | 'GCE' | 'EC2' | 'OPENSTACK'

const flavours: Readonly<Record<MetadataFlavour, Flavour>> = {
  [MetadataFlavour.UNSPECIFIED]: 'NOCLOUD',
  [MetadataFlavour.NOCLOUD]: 'NOCLOUD',
  [MetadataFlavour.GCE]: 'GCE',
  [MetadataFlavour.EC2]: 'EC2',
  [MetadataFlavour.OPENSTACK]: 'OPENSTACK',
}

export const flavourOf = (spec: InstanceSpec): Flavour =>
  flavours[bootImage(spec)?.metadataFlavour ?? MetadataFlavour.NOCLOUD] ?? 'NOCLOUD'

/** cloud-init 22.4 wants the name with -net and the slash at the end. */
const noCloudSeed = 'ds=nocloud-net;s=http://169.254.169.254/'

export interface SystemFacts {
  readonly manufacturer: string
  readonly product: string
  readonly version: string
  readonly serial: string
  readonly uuid: string
}

/**
 * What the firmware tells of the machine, by which cloud-init knows where to ask. NoCloud's serial is the address itself;
 * Amazon's machines are known by how their UUID begins, the others by their product. Where NoCloud has a disk, the address is not said: what
 * cloud-init fetches from there would replace what the disk holds.
 */
export function systemFacts(spec: InstanceSpec): SystemFacts {
  const { uid } = spec
  const facts = { manufacturer: 'Berth', product: 'Berth Instance', version: '1', serial: uid, uuid: uid }
  switch (flavourOf(spec)) {
    case 'NOCLOUD':
      return hasSeedDisk(spec) ? facts : { ...facts, serial: noCloudSeed }
    case 'GCE':
      return {
        ...{ ...facts, manufacturer: 'Google', product: 'Google Compute Engine' },
        serial: `GoogleCloud-${uid.replaceAll('-', '').toUpperCase()}`,
      }
    case 'EC2': {
      const uuid = `ec2${uid.slice(3)}`
      return { ...facts, serial: uuid, uuid }
    }
    case 'OPENSTACK':
      return { ...facts, manufacturer: 'OpenStack Foundation', product: 'OpenStack Nova' }
  }
}
