/** A collection of the API as the command line shows it. */
export interface Kind {
  readonly command: string
  readonly description: string
  readonly words: string
  /** Under the region, or `project/…` under the project; ZONE stands for each zone in turn. */
  readonly path: string
  /** Key of the list in the answer. */
  readonly plural: string
  /** Columns of the table: heading and where the value is. */
  readonly columns: readonly (readonly [string, string])[]
}

export const kinds: readonly Kind[] = [
  {
    ...{ command: 'types', description: 'instance types of the region', words: 'instance types' },
    ...{ path: 'zones/ZONE/instance-types', plural: 'instanceTypes' },
    columns: [
      ['ID', 'id'],
      ['ZONE', 'zone'],
      ['VCPUS', 'vcpus'],
      ['MEMORY MIB', 'memoryMib'],
      ['GPUS', 'gpus'],
      ['DESCRIPTION', 'description'],
    ],
  },
  {
    ...{ command: 'gpus', description: 'accelerator types of the region', words: 'accelerator types' },
    ...{ path: 'zones/ZONE/accelerator-types', plural: 'acceleratorTypes' },
    columns: [
      ['ID', 'id'],
      ['ZONE', 'zone'],
      ['MEMORY GB', 'memoryGb'],
      ['MAXIMUM', 'maximumPerInstance'],
      ['DESCRIPTION', 'description'],
    ],
  },
  {
    ...{ command: 'images', description: 'images that disks are made from', words: 'images' },
    ...{ path: 'compute/images', plural: 'images' },
    columns: [
      ['ID', 'id'],
      ['FAMILY', 'family'],
      ['SIZE GB', 'sizeGb'],
      ['ARCHITECTURE', 'architecture'],
      ['DESCRIPTION', 'description'],
    ],
  },
  {
    ...{ command: 'disks', description: 'disks that outlive instances', words: 'disks' },
    ...{ path: 'project/compute/disks', plural: 'disks' },
    columns: [
      ['ID', 'id'],
      ['STATUS', 'status'],
      ['SIZE GB', 'sizeGb'],
      ['IMAGE', 'sourceImage'],
      ['USED BY', 'users'],
    ],
  },
  {
    ...{ command: 'networks', description: 'networks of the project', words: 'networks' },
    ...{ path: 'project/compute/networks', plural: 'networks' },
    columns: [
      ['ID', 'id'],
      ['VLAN', 'vlan'],
      ['MTU', 'mtu'],
      ['SUBNETS', 'subnets'],
    ],
  },
  {
    ...{ command: 'subnets', description: 'subnets of the project', words: 'subnets' },
    ...{ path: 'project/compute/subnets', plural: 'subnets' },
    columns: [
      ['ID', 'id'],
      ['NETWORK', 'network'],
      ['IPV4', 'ipv4Cidr'],
    ],
  },
  {
    ...{ command: 'quotas', description: 'what the project uses and may use', words: 'quotas' },
    ...{ path: 'project/quotas', plural: 'quotas' },
    columns: [
      ['QUOTA', 'id'],
      ['USED', 'used'],
      ['LIMIT', 'limit'],
    ],
  },
  {
    ...{ command: 'zones', description: 'zones of the region', words: 'zones' },
    ...{ path: 'zones', plural: 'zones' },
    columns: [
      ['ID', 'id'],
      ['DESCRIPTION', 'description'],
    ],
  },
  {
    ...{ command: 'projects', description: 'projects that you have a role in', words: 'projects' },
    ...{ path: 'projects', plural: 'projects' },
    columns: [
      ['ID', 'id'],
      ['NAME', 'displayName'],
    ],
  },
  {
    ...{ command: 'operations', description: 'how requests ended', words: 'operations' },
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
    ...{ command: 'hosts', description: 'hosts of the region, for operators', words: 'hosts' },
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
    ],
  },
]
