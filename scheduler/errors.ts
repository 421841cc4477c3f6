// Every refusal that a client can meet: its published reason, the HTTP status, and the sentence for a person.
// Admission and operations name problems from here; only the API looks at the statuses.

interface Entry<Parameters> {
  readonly status: number
  readonly sentence: (parameters: Parameters) => string
}

const entry = <Parameters>(
  status: number,
  sentence: (parameters: Parameters) => string,
): Entry<Parameters> => ({
  status,
  sentence,
})

interface Said {
  /** The whole sentence, from whoever knows best. */
  readonly message: string
}
interface Named {
  /** "Instance", "Network", … */
  readonly what: string
  readonly id: string
}

const said = (status: number) => entry<Said>(status, ({ message }) => message)

const catalogue = {
  // The shape of the request
  MALFORMED_REQUEST: said(400),
  HEADERS_TOO_LARGE: entry<object>(
    431,
    () => 'The path, its query and the headers are larger than 16 KiB together; make them shorter.',
  ),
  MALFORMED_JSON: entry<{ detail: string }>(400, ({ detail }) => `The body is not valid JSON: ${detail}.`),
  DUPLICATE_KEY: entry<{ key: string }>(
    400,
    ({ key }) => `The key "${key}" is twice in one object of the body; keep one.`,
  ),
  UNKNOWN_FIELD: entry<{ name: string; meant?: string }>(400, ({ name, meant }) =>
    meant === undefined
      ? `There is no field "${name}" here; remove it.`
      : `There is no field "${name}" here; did you mean "${meant}"?`,
  ),
  MISSING_FIELD: entry<{ name: string; why?: string }>(
    400,
    ({ name, why }) => `"${name}" is missing${why === undefined ? '' : `: ${why}`}.`,
  ),
  IMMUTABLE_FIELD: entry<{ name: string }>(
    400,
    ({ name }) =>
      `"${name}" can't be changed: it is fixed by the create, or set by the server. Leave it out.`,
  ),
  WRONG_TYPE: entry<{ name: string; expected: string }>(
    400,
    ({ name, expected }) => `"${name}" must be ${expected}.`,
  ),
  INVALID_VALUE: said(400),
  INVALID_LABEL: said(400),
  INVALID_METADATA: said(400),
  METADATA_TOO_LARGE: said(400),
  INVALID_SSH_KEY: entry<{ line: number; trouble: string }>(
    400,
    ({ line, trouble }) => `Line ${line} of ssh-keys ${trouble}.`,
  ),
  INVALID_IDEMPOTENCY_KEY: said(400),

  // Who asks
  UNAUTHENTICATED: said(401),
  ROLE_MISSING: entry<{ role: string; where: string }>(
    403,
    ({ role, where }) =>
      `This needs the role ${role} ${where}, which your token does not have. Ask an administrator for it.`,
  ),

  QUOTA_EXCEEDED: entry<{ metric: string; limit: number; used: number; asked: number }>(
    403,
    ({ metric, limit, used, asked }) =>
      `The project's quota of ${metric} is ${limit}: ${used} are used and ${asked} more were asked for. Delete or stop instances, or ask an operator for more.`,
  ),

  // What is not there
  ROUTE_NOT_FOUND: entry<{ path: string }>(404, ({ path }) => `There is nothing at ${path}.`),
  NOT_FOUND: entry<Named & { where: string }>(
    404,
    ({ what, id, where }) => `${what} ${id} does not exist in ${where}.`,
  ),
  PROJECT_NOT_FOUND: entry<{ id: string }>(
    404,
    ({ id }) => `Project ${id} does not exist, or you have no role in it.`,
  ),
  METHOD_NOT_ALLOWED: entry<{ method: string; allowed: string }>(
    405,
    ({ method, allowed }) => `${method} is not possible here; use ${allowed}.`,
  ),

  // State
  NAME_TAKEN: entry<{ noun?: string; id: string }>(
    409,
    ({ noun = 'instance', id }) =>
      `There is ${/^[aeiou]/.test(noun) ? 'an' : 'a'} ${noun} named ${id} already; choose another id.`,
  ),
  RESOURCE_IN_USE: entry<{ noun: string; id: string; by: readonly { noun: string; id: string }[] }>(
    409,
    ({ noun, id, by }) =>
      `The ${noun} ${id} is in use by ${by.map((user) => `${user.noun} ${user.id}`).join(', ')}; ${
        by.some((user) => user.noun === 'host')
          ? "first start the hosts' agents in another zone, or fence hosts that are gone, and delete the rest."
          : 'delete that first.'
      }`,
  ),
  PCI_ID_IN_USE: entry<{ pciId: string; type: string }>(
    409,
    ({ pciId, type }) =>
      `The accelerator type ${type} of this zone has the PCI id ${pciId}; leave it out, or take it from that type first.`,
  ),
  IMAGE_NOT_READY: entry<{ image: string }>(
    409,
    ({ image }) => `The image ${image} waits for its bytes; upload them first.`,
  ),
  IMAGE_READY: entry<{ image: string }>(
    409,
    ({ image }) => `The image ${image} has its bytes, which never change; make another image.`,
  ),
  RESOURCE_DECLARED: entry<{ noun: string; id: string }>(
    409,
    ({ noun, id }) =>
      `The ${noun} ${id} is declared in the scheduler's settings file: change it there, and start the scheduler again.`,
  ),
  NETWORK_HAS_SUBNET: entry<{ subnet: string }>(
    409,
    ({ subnet }) =>
      `The network has the subnet ${subnet}, and can have one; make another network for another range.`,
  ),
  SUBNET_OVERLAPS: entry<{ cidr: string; subnet: string }>(
    409,
    ({ cidr, subnet }) => `${cidr} overlaps the project's subnet ${subnet}; choose another range.`,
  ),
  SUBNETS_EXHAUSTED: entry<{ pool: string }>(
    409,
    ({ pool }) => `The project has no free range left in ${pool}; give an ipv4Cidr of another.`,
  ),
  VLAN_IN_USE: entry<{ vlan: number }>(
    409,
    ({ vlan }) => `VLAN ${vlan} belongs to another network; choose another, or leave vlan out.`,
  ),
  VLANS_EXHAUSTED: entry<object>(
    409,
    () => 'All VLANs of this region are taken; delete a network, or ask an operator for more.',
  ),
  FIREWALL_UNSUPPORTED: entry<{ hosts: number }>(
    409,
    ({ hosts }) =>
      `${hosts === 1 ? 'A host' : `${hosts} hosts`} with instances of this network can't filter what they receive: stop and delete those instances first, or ask an operator.`,
  ),
  INTERNET_ACCESS_UNSUPPORTED: entry<{ hosts: number }>(
    409,
    ({ hosts }) =>
      `${hosts === 1 ? 'A host' : `${hosts} hosts`} with instances of this network can't be their way outside: stop and delete those instances first, or ask an operator.`,
  ),
  TOO_MANY_RULES: entry<{ maximum: number }>(
    409,
    ({ maximum }) =>
      `The network has ${maximum} firewall rules, the most that are possible: delete one, or join some.`,
  ),
  SUSPEND_UNSUPPORTED: said(409),
  DEVICE_NAME_TAKEN: said(409),
  DISK_IN_USE: said(409),
  DISK_ON_OTHER_HOST: said(409),
  ADDRESS_IN_USE: entry<{ address: string }>(
    409,
    ({ address }) => `The address ${address} belongs to another NIC; choose another, or leave it out.`,
  ),
  ADDRESSES_EXHAUSTED: entry<{ subnet: string }>(
    409,
    ({ subnet }) =>
      `The subnet ${subnet} has no free address left; delete an instance or use another subnet.`,
  ),
  IDEMPOTENCY_KEY_REUSED: entry<{ key: string }>(
    409,
    ({ key }) => `The idempotency key ${key} was used for another request; use a new key for a new request.`,
  ),
  IDEMPOTENCY_KEY_SPENT: entry<{ key: string; uid: string }>(
    409,
    ({ key, uid }) =>
      `The idempotency key ${key} was used for ${uid}, which has been deleted since; use a new key for a new request.`,
  ),
  SERIAL_NOT_KEPT: entry<{ id: string }>(
    409,
    ({ id }) => `${id} has no serial output: its guest is gone from its host, or never started.`,
  ),
  CONSOLE_UNSUPPORTED: entry<{ id: string }>(
    409,
    ({ id }) =>
      `The host of ${id} has no consoles yet: its agent is older than this server. Ask an operator.`,
  ),
  TOO_MANY_VIEWERS: entry<{ id: string; maximum: number }>(
    409,
    ({ id, maximum }) => `${maximum} look at the console of ${id} already, the most that are possible.`,
  ),
  WRONG_STATE: said(409),
  POOL_CAPACITY_EXCEEDED: said(409),
  RESERVATION_MISMATCH: said(422),
  REVISION_MISMATCH: entry<{ revision: number }>(
    412,
    ({ revision }) =>
      `It has changed: its ETag is "${revision}" by now. Read it again, then repeat the request.`,
  ),
  BODY_TOO_LARGE: entry<{ limitBytes: number }>(
    413,
    ({ limitBytes }) => `The body has more than ${limitBytes} bytes, which is the limit.`,
  ),
  UNSUPPORTED_MEDIA_TYPE: entry<{ given: string }>(
    415,
    ({ given }) => `The body must be application/json, not ${given}.`,
  ),

  // Meaning
  REFERENCE_NOT_FOUND: entry<Named & { known?: readonly string[] }>(
    422,
    ({ what, id, known }) =>
      `${what} ${id} does not exist${known === undefined || known.length === 0 ? '' : `; there is ${known.join(', ')}`}.`,
  ),
  REFERENCE_AMBIGUOUS: entry<Named & { where: readonly string[] }>(
    422,
    ({ what, id, where }) => `${what} ${id} exists in ${where.join(' and ')}; give its whole path.`,
  ),
  REFERENCE_MALFORMED: entry<{ given: string; expected: string }>(
    422,
    ({ given, expected }) => `"${given}" is no reference that fits here; write ${expected}.`,
  ),
  WRONG_REGION: entry<{ given: string; region: string }>(
    422,
    ({ given, region }) => `The reference points to region ${given}; this is region ${region}.`,
  ),
  WRONG_PROJECT: entry<{ given: string; project: string }>(
    422,
    ({ given, project }) =>
      `The reference points to project ${given}; only resources of ${project} fit here.`,
  ),
  WRONG_ZONE: entry<{ given: string; zone: string }>(
    422,
    ({ given, zone }) => `The reference points to zone ${given}, but the instance type is in zone ${zone}.`,
  ),
  INVALID_CUSTOM_TYPE: said(422),
  DISK_TOO_SMALL: entry<{ sizeGb: number; minimumGb: number; image: string }>(
    422,
    ({ sizeGb, minimumGb, image }) =>
      `The image ${image} needs ${minimumGb} GB; ${sizeGb} GB is too small. Use ${minimumGb} or more, or leave it out.`,
  ),
  DISK_SHRINK: entry<{ id: string; sizeGb: number; presentGb: number }>(
    422,
    ({ id, sizeGb, presentGb }) =>
      `The disk ${id} has ${presentGb} GB and can't shrink to ${sizeGb} GB: what is on it would be lost. Create a smaller one and copy.`,
  ),
  DISK_SIZE_REQUIRED: entry<object>(422, () => 'A disk without a source needs a size.'),
  BOOT_DISK_NEEDS_SOURCE: entry<object>(
    422,
    () => 'The boot disk needs an image to boot from: give it a source, or set boot on another disk.',
  ),
  SEVERAL_BOOT_DISKS: entry<{ count: number }>(
    422,
    ({ count }) => `${count} disks are marked as boot disk; mark one.`,
  ),
  UPLOADS_DISABLED: entry<object>(
    422,
    () => 'This region takes no uploads: give the image a url that hosts can fetch it from.',
  ),
  CHECKSUM_MISMATCH: entry<{ wanted: string; found: string }>(
    422,
    ({ wanted, found }) =>
      `The bytes have the SHA-256 ${found}, not ${wanted}: upload the right file, or register it by its own.`,
  ),
  IMAGE_OBSOLETE: entry<{ image: string; instead: string }>(
    422,
    ({ image, instead }) => `The image ${image} is obsolete and makes no new disks${instead}.`,
  ),
  INVALID_RANGE: said(422),
  NO_DEFAULT_IMAGE: entry<{ type: string }>(
    422,
    ({ type }) => `The instance type ${type} has no default image; give a boot disk with a source.`,
  ),
  ADDRESS_OUTSIDE_SUBNET: entry<{ address: string; cidr: string }>(
    422,
    ({ address, cidr }) => `The address ${address} is not a usable one of the subnet ${cidr}.`,
  ),
  ADDRESS_RESERVED: entry<{ address: string; why: string }>(
    422,
    ({ address, why }) => `The address ${address} is the subnet's ${why}; choose another.`,
  ),
  NO_SUBNET: entry<{ network: string }>(
    422,
    ({ network }) => `The network ${network} has no subnet yet; make one in it first.`,
  ),
  NO_IPV6: entry<{ subnet: string }>(
    422,
    ({ subnet }) => `The subnet ${subnet} has no IPv6; leave ipv6Address out.`,
  ),
  IPV6_FOLLOWS_IPV4: entry<{ ipv6Address: string; ipv4Address: string; following: string }>(
    422,
    ({ ipv6Address, ipv4Address, following }) =>
      `A NIC's addresses end alike: ${following} goes with ${ipv4Address}, ${ipv6Address} does not; leave ipv6Address out.`,
  ),
  VLAN_MISMATCH: entry<{ network: string; vlan: number }>(422, ({ network, vlan }) =>
    vlan === 0
      ? `The network ${network} has no VLAN; leave vlan out.`
      : `The network ${network} is on VLAN ${vlan}; write ${vlan}, or leave vlan out.`,
  ),
  GPUS_BUNDLED: entry<{ type: string; bundled: string }>(
    422,
    ({ type, bundled }) =>
      `The instance type ${type} comes with ${bundled} and takes no other GPUs; leave gpus out.`,
  ),
  QUEUE_FULL: entry<{ maximum: number }>(
    409,
    ({ maximum }) =>
      `${maximum} instances of the project wait for capacity already, and more don't: delete some, or try again later.`,
  ),
  GPU_TOPOLOGIES_DIFFER: entry<{ type: string; topology: string; other: string }>(
    422,
    ({ type, topology, other }) =>
      `GPUs of type ${type} are asked for with topology ${topology} and with ${other}: give all of them the same.`,
  ),
  TOO_MANY_GPUS: entry<{ type: string; count: number; maximum: number }>(
    422,
    ({ type, count, maximum }) =>
      `An instance can have at most ${maximum} of ${type}; ${count} were asked for.`,
  ),
  CAN_NEVER_FIT: said(422),

  TOO_MANY_REQUESTS: entry<{ limit: number; seconds: number }>(
    429,
    ({ limit, seconds }) =>
      `More than ${limit} requests in a minute; go on in ${seconds} ${seconds === 1 ? 'second' : 'seconds'}.`,
  ),

  // Our own trouble
  INTERNAL: entry<{ requestId: string }>(
    500,
    ({ requestId }) => `Something went wrong here. Tell the operator this request's id: ${requestId}.`,
  ),
  TRY_AGAIN: said(503),
  GUEST_ATTRIBUTES_UNAVAILABLE: entry<{ id: string }>(
    503,
    ({ id }) =>
      `The guest attributes of ${id} can't be read at the moment: it is being made, or contact with it is interrupted. Try again shortly.`,
  ),
  CONSOLE_UNAVAILABLE: entry<{ id: string }>(
    503,
    ({ id }) =>
      `The console of ${id} can't be opened at the moment: contact with its host is interrupted. Try again shortly.`,
  ),
  SERIAL_UNAVAILABLE: entry<{ id: string }>(
    503,
    ({ id }) =>
      `The serial output of ${id} can't be read at the moment: it has not started yet, or contact with it is interrupted. Try again shortly.`,
  ),
} as const

export type Reason = keyof typeof catalogue
type ParametersOf<R extends Reason> = Parameters<(typeof catalogue)[R]['sentence']>[0]

/** The published enum. */
export const reasons = Object.keys(catalogue) as readonly Reason[]

/** One thing that is wrong. */
export interface Problem {
  readonly reason: Reason
  /** Where in the request: disks[0].sizeGb */
  readonly field?: string
  readonly message: string
  /** Of a capacity refusal: the placement rule and how many hosts it ruled out. */
  readonly rule?: string
  readonly hosts?: number
}

export function problem<R extends Reason>(reason: R, parameters: ParametersOf<R>, field?: string): Problem {
  const { sentence } = catalogue[reason] as Entry<ParametersOf<R>>
  return { reason, message: sentence(parameters), ...(field === undefined ? {} : { field }) }
}

export const statusOf = (reason: Reason): number => catalogue[reason].status

/** Why a request was not carried out: one sentence, and every problem. */
export interface Refusal {
  readonly kind: 'refused'
  readonly message: string
  readonly problems: readonly [Problem, ...Problem[]]
}

export function refuse<R extends Reason>(reason: R, parameters: ParametersOf<R>, field?: string): Refusal {
  return refuseAll([problem(reason, parameters, field)])
}

export function refuseAll(problems: readonly [Problem, ...Problem[]], message?: string): Refusal {
  const summary = problems.length === 1 ? problems[0].message : `The request has ${problems.length} problems.`
  return { kind: 'refused', message: message ?? summary, problems }
}
