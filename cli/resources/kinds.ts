import {
  acceleratorFields,
  description,
  type Field,
  ingress,
  internet,
  pciIds,
  ruleFields,
  typeFields,
  zoneFields,
} from './fields.ts'

/** A collection of the API as the command line shows it. */
export interface Kind {
  readonly command: string
  readonly description: string
  readonly words: string
  /** An id, for the examples of --help. */
  readonly sample: string
  /** Under the region, or `project/…` under the project; ZONE and NETWORK stand for each of them in turn. */
  readonly path: string
  /** Key of the list in the answer. */
  readonly plural: string
  /** There is only the whole list to ask for. */
  readonly isReadAsWhole?: true
  /** Columns of the table: heading and where the value is. */
  readonly columns: readonly (readonly [string, string])[]
  /** What can be made, changed and deleted; only looked at where absent. */
  readonly changes?: {
    /** Whether the server makes up a name. */
    readonly isNameOptional: boolean
    readonly create: readonly Field[]
    readonly update: readonly Field[]
    /** What for, and the flags after the id. */
    readonly examples: Readonly<Record<'create' | 'update', readonly [string, string]>>
  }
}

/** What a collection is inside of, beyond region and project: its flag, and the list of what there is. */
export interface Parent {
  readonly word: 'ZONE' | 'NETWORK'
  readonly flag: 'zone' | 'network'
  readonly path: string
  readonly plural: string
  readonly sample: string
}

const parents: readonly Parent[] = [
  { word: 'ZONE', flag: 'zone', path: 'zones', plural: 'zones', sample: 'us1-a' },
  ...[{ word: 'NETWORK', flag: 'network' } as const].map((named) => ({
    ...{ ...named, path: 'project/compute/networks', plural: 'networks', sample: 'backend' },
  })),
]

export const parentOf = ({ path }: Kind): Parent | undefined =>
  parents.find(({ word }) => path.includes(word))

export function pathIn(kind: Kind, id: string): string {
  const parent = parentOf(kind)
  return parent === undefined ? kind.path : kind.path.replace(parent.word, encodeURIComponent(id))
}

export const kinds: readonly Kind[] = [
  {
    ...{ command: 'types', description: 'instance types of the region', words: 'instance types' },
    sample: 'g1-large',
    ...{ path: 'zones/ZONE/instance-types', plural: 'instanceTypes' },
    columns: [
      ['ID', 'id'],
      ['ZONE', 'zone'],
      ['VCPUS', 'vcpus'],
      ['MEMORY MIB', 'memoryMib'],
      ['NETWORK MBPS', 'networkMbps'],
      ['GPUS', 'gpus'],
      ['DESCRIPTION', 'description'],
    ],
    changes: {
      isNameOptional: false,
      create: typeFields,
      update: [description],
      examples: {
        create: [
          'eight vCPUs and one GPU',
          '--vcpus 8 --memory-mib 65536 --gpu-type nvidia-h100-80gb --gpu-count 1',
        ],
        update: ['say what it is for', "--description 'for training'"],
      },
    },
  },
  {
    ...{ command: 'own-types', description: 'instance types of the project alone', words: 'own types' },
    sample: 'build-farm',
    ...{ path: 'project/compute/instance-types', plural: 'instanceTypes' },
    columns: [
      ['ID', 'id'],
      ['ZONE', 'zone'],
      ['VCPUS', 'vcpus'],
      ['MEMORY MIB', 'memoryMib'],
      ['NETWORK MBPS', 'networkMbps'],
      ['GPUS', 'gpus'],
    ],
    changes: {
      isNameOptional: false,
      create: [
        ...typeFields,
        { flag: '--zone <zone>', description: 'where it is; the only zone where absent', key: 'zone' },
      ],
      update: [description],
      examples: {
        create: ["a size of one's own", "--vcpus 12 --memory-mib 24576 --description 'builds'"],
        update: ['say what it is for', "--description 'builds and tests'"],
      },
    },
  },
  {
    ...{ command: 'gpus', description: 'accelerator types of the region', words: 'accelerator types' },
    sample: 'nvidia-h100-80gb',
    ...{ path: 'zones/ZONE/accelerator-types', plural: 'acceleratorTypes' },
    columns: [
      ['ID', 'id'],
      ['ZONE', 'zone'],
      ['MEMORY GB', 'memoryGb'],
      ['MAXIMUM', 'maximumPerInstance'],
      ['PCI IDS', 'pciIds'],
      ['DESCRIPTION', 'description'],
    ],
    changes: {
      isNameOptional: false,
      create: [...acceleratorFields, { ...pciIds, isRequired: true }],
      update: [...acceleratorFields, pciIds],
      examples: {
        create: [
          'devices of hosts that are there already get it at once',
          '--pci-ids 10de:2330 --memory-gb 80',
        ],
        update: ['another model of the same', '--pci-ids 10de:2330,10de:2331'],
      },
    },
  },
  {
    ...{ command: 'images', description: 'images that disks are made from', words: 'images' },
    sample: 'debian-13',
    ...{ path: 'compute/images', plural: 'images' },
    columns: [
      ['ID', 'id'],
      ['FAMILY', 'family'],
      ['SIZE GB', 'sizeGb'],
      ['ARCHITECTURE', 'architecture'],
      ['DEPRECATION', 'deprecation.state'],
      ['DESCRIPTION', 'description'],
    ],
    changes: {
      isNameOptional: false,
      create: [
        description,
        { flag: '--family <family>', description: 'of which the newest is found by name', key: 'family' },
        { flag: '--url <url>', description: 'where hosts fetch it from', key: 'url', isRequired: true },
        { flag: '--sha256 <hex>', description: 'of its bytes', key: 'sha256', isRequired: true },
        { flag: '--format <format>', description: 'raw or qcow2', key: 'format', isRequired: true },
        { flag: '--architecture <name>', description: 'x86_64 or aarch64', key: 'architecture' },
        {
          ...{ flag: '--metadata-flavour <name>', key: 'metadataFlavour' },
          description: 'what it looks for at boot: NOCLOUD, GCE, EC2 or OPENSTACK',
        },
        {
          ...{ flag: '--seed-disk', key: 'seedDisk', as: 'switch' },
          description: 'guests find their metadata on a disk labelled cidata',
        },
        { flag: '--firmware <name>', description: 'what boots it: BIOS or UEFI', key: 'firmware' },
        {
          ...{ flag: '--size-gb <n>', description: 'of the disk that it makes', key: 'sizeGb' },
          ...{ as: 'integer', isRequired: true },
        },
      ],
      update: [
        description,
        { flag: '--family <family>', description: 'of which the newest is found by name', key: 'family' },
        { flag: '--state <state>', description: 'ACTIVE, DEPRECATED or OBSOLETE', key: 'deprecation.state' },
        { flag: '--replacement <image>', description: 'to be used instead', key: 'deprecation.replacement' },
      ],
      examples: {
        create: [
          'hosts fetch it themselves, and hold it to its sum',
          '--url https://images.example.com/debian-13.qcow2 --sha256 ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad --format qcow2 --size-gb 3 --family debian-13',
        ],
        update: ['tell people to move on', '--state DEPRECATED --replacement debian-13-v2'],
      },
    },
  },
  {
    ...{ command: 'disks', description: 'disks that outlive instances', words: 'disks' },
    sample: 'data-1',
    ...{ path: 'project/compute/disks', plural: 'disks' },
    columns: [
      ['ID', 'id'],
      ['STATUS', 'status'],
      ['SIZE GB', 'sizeGb'],
      ['IMAGE', 'sourceImage'],
      ['USED BY', 'users'],
    ],
    changes: {
      isNameOptional: true,
      create: [
        description,
        { flag: '--size-gb <n>', description: "the image's where absent", key: 'sizeGb', as: 'integer' },
        { flag: '--image <image>', description: 'that it is made from; else blank', key: 'sourceImage' },
        { flag: '--zone <zone>', description: 'where the region has several', key: 'zone' },
      ],
      update: [description],
      examples: {
        create: ['a blank disk', '--size-gb 100'],
        update: ['say what it is for', "--description 'of the database'"],
      },
    },
  },
  {
    ...{ command: 'networks', description: 'networks of the project', words: 'networks' },
    sample: 'backend',
    ...{ path: 'project/compute/networks', plural: 'networks' },
    columns: [
      ['ID', 'id'],
      ['VLAN', 'vlan'],
      ['MTU', 'mtu'],
      ['SUBNETS', 'subnets'],
      ['INGRESS', 'defaultIngress'],
      ['INTERNET', 'internetAccess'],
    ],
    changes: {
      isNameOptional: true,
      create: [
        description,
        { flag: '--mtu <bytes>', description: '1500 where absent', key: 'mtu', as: 'integer' },
        { flag: '--vlan <n>', description: 'a certain one: for operators', key: 'vlan', as: 'integer' },
        {
          ...{
            flag: '--physical-network <name>',
            description: 'what carries it between hosts: for operators',
          },
          key: 'physicalNetwork',
        },
        ingress,
        internet,
      ],
      update: [description, ingress, internet],
      examples: {
        create: ['for large frames', '--mtu 9000'],
        update: ['say what it is for', "--description 'between services'"],
      },
    },
  },
  {
    ...{ command: 'subnets', description: 'subnets of the project', words: 'subnets' },
    sample: 'backend-1',
    ...{ path: 'project/compute/subnets', plural: 'subnets' },
    columns: [
      ['ID', 'id'],
      ['NETWORK', 'network'],
      ['IPV4', 'ipv4Cidr'],
      ['IPV6', 'ipv6Cidr'],
    ],
    changes: {
      isNameOptional: true,
      create: [
        description,
        { flag: '--network <network>', description: 'where it is', key: 'network', isRequired: true },
        { flag: '--ipv4-cidr <range>', description: 'a free one where absent', key: 'ipv4Cidr' },
        { flag: '--ipv6-cidr <range>', description: 'a /64; no IPv6 where absent', key: 'ipv6Cidr' },
      ],
      update: [description],
      examples: {
        create: [
          'ranges of both families',
          '--network backend --ipv4-cidr 10.90.0.0/24 --ipv6-cidr fd5b:90::/64',
        ],
        update: ['say what it is for', "--description 'of the first rack'"],
      },
    },
  },
  {
    ...{ command: 'firewall', description: 'what members of a network receive', words: 'firewall rules' },
    sample: 'web',
    ...{ path: 'project/compute/networks/NETWORK/firewall', plural: 'firewallRules' },
    columns: [
      ['ID', 'id'],
      ['NETWORK', 'network'],
      ['PROTOCOL', 'protocol'],
      ['PORTS', 'ports'],
      ['SOURCES', 'sources'],
      ['DESTINATIONS', 'destinations'],
      ['DESCRIPTION', 'description'],
    ],
    changes: {
      isNameOptional: true,
      create: [
        ...ruleFields,
        {
          flag: '--protocol <name>',
          description: 'ALL, TCP, UDP or ICMP',
          key: 'protocol',
          isRequired: true,
        },
      ],
      update: [
        ...ruleFields,
        { flag: '--protocol <name>', description: 'ALL, TCP, UDP or ICMP', key: 'protocol' },
      ],
      examples: {
        create: ['let in who asks for pages', '--protocol TCP --ports 80,443 --sources 10.0.0.0/8'],
        update: ['other ports', '--ports 80,443,8000-8100'],
      },
    },
  },
  {
    ...{ command: 'addresses', description: 'addresses that the project keeps', words: 'addresses' },
    sample: 'db-1',
    ...{ path: 'project/compute/addresses', plural: 'addresses' },
    columns: [
      ['ID', 'id'],
      ['ADDRESS', 'address'],
      ['SUBNET', 'subnet'],
      ['STATUS', 'status'],
      ['USERS', 'users'],
    ],
    changes: {
      isNameOptional: true,
      create: [
        description,
        { flag: '--subnet <subnet>', description: 'of which', key: 'subnet', isRequired: true },
        { flag: '--address <ipv4>', description: 'the lowest free one where absent', key: 'address' },
      ],
      update: [description],
      examples: {
        create: ['a certain one', '--subnet default --address 10.80.0.10'],
        update: ['say what it is for', "--description 'of the database'"],
      },
    },
  },
  {
    ...{ command: 'reservations', description: 'capacity that the project keeps', words: 'reservations' },
    sample: 'nightly',
    ...{ path: 'project/compute/reservations', plural: 'reservations' },
    columns: [
      ['ID', 'id'],
      ['TYPE', 'type'],
      ['GPUS', 'gpus'],
      ['DISK GB', 'diskGb'],
      ['HELD', 'held'],
      ['USED', 'used'],
      ['USERS', 'users'],
    ],
    changes: {
      isNameOptional: true,
      create: [
        description,
        { flag: '--type <type>', description: 'of the instances', key: 'type', isRequired: true },
        { flag: '--gpu-type <type>', description: 'GPUs of each', key: 'gpus.type' },
        { flag: '--gpu-count <n>', description: 'how many for each', key: 'gpus.count', as: 'integer' },
        { flag: '--disk-gb <n>', description: 'for the disks of each', key: 'diskGb', as: 'integer' },
        {
          ...{ flag: '--count <n>', description: 'for how many instances', key: 'count' },
          ...{ as: 'integer', isRequired: true },
        },
      ],
      update: [description],
      examples: {
        create: [
          'room for four instances with two GPUs each',
          '--type g1-large --gpu-type nvidia-h100-80gb --gpu-count 2 --count 4',
        ],
        update: ['say what it is for', "--description 'the nightly training'"],
      },
    },
  },
  {
    ...{ command: 'quotas', description: 'what the project uses and may use', words: 'quotas' },
    sample: 'vcpus',
    ...{ path: 'project/quotas', plural: 'quotas' },
    isReadAsWhole: true,
    columns: [
      ['QUOTA', 'id'],
      ['USED', 'used'],
      ['LIMIT', 'limit'],
    ],
  },
  {
    ...{ command: 'zones', description: 'zones of the region', words: 'zones' },
    sample: 'us1-a',
    ...{ path: 'zones', plural: 'zones' },
    columns: [
      ['ID', 'id'],
      ['CPU OVERCOMMIT', 'cpuOvercommit'],
      ['UNSCRUBBED DEVICES', 'unscrubbedDevices'],
      ['DESCRIPTION', 'description'],
    ],
    changes: {
      isNameOptional: false,
      create: zoneFields,
      update: zoneFields,
      examples: {
        create: ['where each CPU of a host is two', '--cpu-overcommit 2'],
        update: ['its hosts keep what is handed out until it is given back', '--cpu-overcommit 1.5'],
      },
    },
  },
  {
    ...{ command: 'projects', description: 'projects that you have a role in', words: 'projects' },
    sample: 'shop',
    ...{ path: 'projects', plural: 'projects' },
    columns: [
      ['ID', 'id'],
      ['NAME', 'displayName'],
    ],
    changes: {
      isNameOptional: true,
      create: [description, { flag: '--display-name <name>', description: 'for people', key: 'displayName' }],
      update: [description, { flag: '--display-name <name>', description: 'for people', key: 'displayName' }],
      examples: {
        create: ['with a name for people', "--display-name 'The shop'"],
        update: ['another name', "--display-name 'The big shop'"],
      },
    },
  },
  {
    ...{ command: 'operations', description: 'how requests ended', words: 'operations' },
    sample: '0197a000-0000-7000-8000-000000000001',
    ...{ path: 'project/compute/operations', plural: 'operations' },
    columns: [
      ['ID', 'id'],
      ['TYPE', 'type'],
      ['TARGET', 'target'],
      ['STATUS', 'status'],
      ['ERROR', 'error.message'],
      ['CREATED', 'createdAt'],
    ],
  },
  {
    ...{ command: 'audit', description: 'who asked for what in the project', words: 'audit entries' },
    sample: '0197a000-0000-7000-8000-000000000001',
    ...{ path: 'project/audit', plural: 'entries' },
    isReadAsWhole: true,
    columns: [
      ['AT', 'at'],
      ['PRINCIPAL', 'principal'],
      ['ACTION', 'action'],
      ['PATH', 'path'],
      ['STATUS', 'status'],
      ['REASON', 'reason'],
    ],
  },
  {
    ...{ command: 'hosts', description: 'hosts of the region, for operators', words: 'hosts' },
    sample: 'host-1',
    ...{ path: 'hosts', plural: 'hosts' },
    columns: [
      ['ID', 'id'],
      ['ZONE', 'zone'],
      ['STATE', 'state'],
      ['CONNECTED', 'connected'],
      ['VCPUS', 'vcpus'],
      ['MEMORY MIB', 'memoryMib'],
      ['DISK GB', 'diskGb'],
      ['GPUS', 'devices'],
      ['AGENT', 'agentVersion'],
    ],
  },
]
