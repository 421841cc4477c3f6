// Flags of more than one command, or more than a line.
/** A flag and where its value goes in a body. */
export interface Field {
  /** As commander has it: --mtu <bytes> */
  readonly flag: string
  readonly description: string
  /** gpus.type is inside of gpus. */
  readonly key: string
  /** A list is written with commas; a switch has no value, and is true where it is given. */
  readonly as?: 'integer' | 'number' | 'list' | 'switch'
  readonly isRequired?: boolean
}

export const description: Field = {
  ...{ flag: '--description <text>', description: 'a sentence for people', key: 'description' },
}
export const typeFields: readonly Field[] = [
  description,
  { flag: '--vcpus <n>', description: 'virtual CPUs', key: 'vcpus', as: 'integer', isRequired: true },
  { flag: '--memory-mib <n>', description: 'memory', key: 'memoryMib', as: 'integer', isRequired: true },
  {
    ...{ flag: '--network-mbps <n>', key: 'networkMbps', as: 'integer' },
    description: 'what passes each NIC in each direction; no limit where absent',
  },
  { flag: '--gpu-type <type>', description: 'accelerator type that comes with it', key: 'gpus.type' },
  { flag: '--gpu-count <n>', description: 'how many of it', key: 'gpus.count', as: 'integer' },
  {
    flag: '--default-image <image>',
    description: 'image of a boot disk that nobody asked for',
    key: 'defaultImage',
  },
]

export const ruleFields: readonly Field[] = [
  description,
  { flag: '--ports <list>', description: 'such as 22,8000-8100; all where absent', key: 'ports', as: 'list' },
  { flag: '--sources <ranges>', description: 'of who sends; all where absent', key: 'sources', as: 'list' },
  {
    ...{ flag: '--destinations <ranges>', description: 'of members; all where absent' },
    ...{ key: 'destinations', as: 'list' },
  },
]
export const internet: Field = {
  ...{ flag: '--internet-access <way>', key: 'internetAccess' },
  description: 'NONE, or NAT: members reach public addresses, and nobody there reaches them',
}
export const ingress: Field = {
  ...{ flag: '--default-ingress <policy>', key: 'defaultIngress' },
  description: 'ALLOW, or DENY: members receive only what firewall rules allow, and answers',
}

export const acceleratorFields: readonly Field[] = [
  description,
  { flag: '--memory-gb <n>', description: 'of each', key: 'memoryGb', as: 'integer' },
  {
    ...{ flag: '--maximum-per-instance <n>', description: 'how many one instance can have' },
    ...{ key: 'maximumPerInstance', as: 'integer' },
  },
]
export const pciIds: Field = {
  ...{ flag: '--pci-ids <list>', description: 'vendor:device, such as 10de:2330,10de:2331' },
  ...{ key: 'pciIds', as: 'list' },
}
export const zoneFields: readonly Field[] = [
  description,
  {
    ...{ flag: '--cpu-overcommit <ratio>', description: 'virtual CPUs for each CPU of a host' },
    ...{ key: 'cpuOvercommit', as: 'number' },
  },
  {
    ...{ flag: '--unscrubbed-devices <policy>', key: 'unscrubbedDevices' },
    description: "quarantine: kept for their last guest's project, or reuse: anybody gets them",
  },
]
