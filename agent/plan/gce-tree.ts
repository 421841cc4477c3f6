// What Google's metadata server would say of an instance: for software that asks it, whatever the image boots with. Pure.
import {
  type Disk,
  DiskType,
  type InstanceSpec,
  type Nic,
} from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { networkMtu, subnetMask } from './dnsmasq-config.ts'
import { hasGateway } from './gateway.ts'

/** A directory, a list of directories, or a value. */
export type GceTree = string | number | readonly GceTree[] | { readonly [name: string]: GceTree }

export type MaintenanceEvent = 'NONE' | 'TERMINATE_ON_HOST_MAINTENANCE'

/** The order of names is the order in which they are listed. */
export function renderGceTree(spec: InstanceSpec, maintenanceEvent: MaintenanceEvent = 'NONE'): GceTree {
  const projectNumber = numberOf(`project ${spec.project}`)
  const inProject = (path: string) => `projects/${projectNumber}/${path}`
  return {
    instance: {
      attributes: Object.fromEntries(spec.metadata.map(({ key, value }) => [key, value])),
      'cpu-platform': 'Unknown CPU Platform',
      description: '',
      disks: spec.disks.map(renderDisk),
      hostname: spec.hostname,
      id: numberOf(`instance ${spec.uid}`),
      image: spec.disks.find(({ boot }) => boot)?.image?.id ?? '',
      'machine-type': inProject(`machineTypes/${spec.instanceType}`),
      'maintenance-event': maintenanceEvent,
      name: spec.id,
      'network-interfaces': spec.nics.map((nic) => renderNic(nic, inProject)),
      preempted: 'FALSE',
      scheduling: { 'automatic-restart': 'FALSE', 'on-host-maintenance': 'TERMINATE', preemptible: 'FALSE' },
      'service-accounts': {},
      tags: [],
      zone: inProject(`zones/${spec.zone}`),
    },
    project: {
      attributes: {},
      'numeric-project-id': projectNumber,
      'project-id': spec.project,
    },
  }
}

function renderDisk({ deviceName, readOnly, type }: Disk, index: number): GceTree {
  return {
    'device-name': deviceName,
    index,
    interface: 'VIRTIO',
    mode: readOnly ? 'READ_ONLY' : 'READ_WRITE',
    type: type === DiskType.SCRATCH ? 'LOCAL-SSD' : 'PERSISTENT',
  }
}

function renderNic(nic: Nic, inProject: (path: string) => string): GceTree {
  const { network } = nic
  return {
    'access-configs': [],
    'dns-servers': [],
    'forwarded-ips': [],
    gateway: network !== undefined && hasGateway(network) ? network.ipv4Gateway : '',
    ip: nic.ipv4Address,
    'ip-aliases': [],
    mac: nic.macAddress,
    mtu: networkMtu(network ?? { mtu: 0 }),
    network: inProject(`networks/${network?.id ?? nic.name}`),
    subnetmask: network?.ipv4Cidr ? subnetMask(network.ipv4Cidr) : '',
    'target-instance-ips': [],
  }
}

/** Agents read ids as numbers: FNV-1a, of which 52 bits are kept, so that every reader of JSON has them exactly. */
function numberOf(text: string): number {
  let hash = 0xcbf29ce484222325n
  for (const byte of new TextEncoder().encode(text)) {
    hash = BigInt.asUintN(64, (hash ^ BigInt(byte)) * 0x100000001b3n)
  }
  return Number(hash >> 12n)
}
