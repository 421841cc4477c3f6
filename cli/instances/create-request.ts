// What the flags of `instances create` mean, as the body of the call. Files are read through the one function that is
// handed in; nothing is sent.
import type { InstanceRequest } from '../client/resources.ts'
import { usageError } from '../exit-codes.ts'

type GpuTopology = NonNullable<NonNullable<InstanceRequest['gpus']>[number]['topology']>

type Scheduling = NonNullable<InstanceRequest['scheduling']>

export interface CreateFlags {
  readonly type: string
  readonly zone?: string
  readonly id?: string
  readonly displayName?: string
  readonly description?: string
  readonly hostname?: string
  readonly image?: string
  readonly diskGb?: number
  readonly network?: string
  readonly subnet?: string
  readonly address?: string
  readonly gpu?: readonly string[]
  readonly gpuTopology?: GpuTopology
  readonly reservation?: string
  readonly isolation?: Scheduling['isolation']
  readonly hostLabel?: readonly string[]
  readonly affinity?: readonly string[]
  readonly antiAffinity?: readonly string[]
  readonly packing?: Scheduling['packing']
  readonly expectedLifetime?: number
  /** false where it was asked not to be. */
  readonly automaticRestart?: boolean
  readonly waitForCapacity?: boolean
  readonly waitTimeout?: number
  readonly sshKey?: readonly string[]
  readonly userData?: string
  readonly metadata?: readonly string[]
  readonly label?: readonly string[]
}

export interface CreateSurroundings {
  readonly region: string
  /** Of a key that names no user. */
  readonly defaultUser: string
  readFile(path: string): string
}

export function makeCreateRequest(flags: CreateFlags, surroundings: CreateSurroundings): InstanceRequest {
  const { id, displayName, description, hostname } = flags
  const metadata = makeMetadata(flags, surroundings)
  return {
    type:
      flags.zone === undefined || flags.type.includes('/')
        ? flags.type
        : `/v1/regions/${surroundings.region}/zones/${flags.zone}/instance-types/${flags.type}`,
    ...(id === undefined ? {} : { id }),
    ...(displayName === undefined ? {} : { displayName }),
    ...(description === undefined ? {} : { description }),
    ...(hostname === undefined ? {} : { hostname }),
    ...(flags.label === undefined ? {} : { labels: Object.fromEntries(parsePairs('--label', flags.label)) }),
    ...(metadata.length === 0 ? {} : { instanceMetadata: metadata }),
    ...makeDisks(flags),
    ...makeNics(flags),
    ...makeGpus(flags),
    ...(flags.reservation === undefined ? {} : { reservation: flags.reservation }),
    ...makeScheduling(flags),
  }
}

function makeDisks({ image, diskGb }: CreateFlags): Pick<InstanceRequest, 'disks'> {
  if (image === undefined && diskGb === undefined) return {}
  if (image === undefined) throw usageError('--disk-gb needs --image: without one the disk would be blank.')
  return { disks: [{ source: image, boot: true, ...(diskGb === undefined ? {} : { sizeGb: diskGb }) }] }
}

function makeNics({ network, subnet, address }: CreateFlags): Pick<InstanceRequest, 'nics'> {
  const nic = {
    ...(network === undefined ? {} : { network }),
    ...(subnet === undefined ? {} : { subnet }),
    ...(address === undefined ? {} : { ipv4Address: address }),
  }
  return Object.keys(nic).length === 0 ? {} : { nics: [nic] }
}

function makeGpus({ gpu, gpuTopology: topology }: CreateFlags): Pick<InstanceRequest, 'gpus'> {
  if (gpu === undefined && topology !== undefined) throw usageError('--gpu-topology needs --gpu.')
  if (gpu === undefined) return {}
  return { gpus: gpu.map((text) => ({ ...parseGpu(text), ...(topology === undefined ? {} : { topology }) })) }
}

function makeScheduling(flags: CreateFlags): Pick<InstanceRequest, 'scheduling'> {
  const { isolation, hostLabel, affinity, antiAffinity, packing, expectedLifetime } = flags
  const { automaticRestart = true, waitForCapacity, waitTimeout } = flags
  if (waitTimeout !== undefined && waitForCapacity !== true) {
    throw usageError('--wait-timeout needs --wait-for-capacity.')
  }
  const scheduling: Scheduling = {
    ...(isolation === undefined ? {} : { isolation }),
    ...(hostLabel === undefined
      ? {}
      : { hostLabels: Object.fromEntries(parsePairs('--host-label', hostLabel)) }),
    ...(affinity === undefined ? {} : { affinity }),
    ...(antiAffinity === undefined ? {} : { antiAffinity }),
    ...(packing === undefined ? {} : { packing }),
    ...(expectedLifetime === undefined ? {} : { expectedLifetimeSeconds: expectedLifetime }),
    ...(automaticRestart ? {} : { automaticRestart }),
    ...(waitForCapacity === undefined ? {} : { waitForCapacity }),
    ...(waitTimeout === undefined ? {} : { waitTimeoutSeconds: waitTimeout }),
  }
  return Object.keys(scheduling).length === 0 ? {} : { scheduling }
}

/** `nvidia-l40s` or `nvidia-h100-80gb:8`. */
export function parseGpu(text: string): { type: string; count: number } {
  const match = /^(.+?)(?::(\d+))?$/.exec(text)
  if (match?.[1] === undefined) throw usageError(`--gpu ${text}: write TYPE or TYPE:COUNT.`)
  return { type: match[1], count: Number(match[2] ?? 1) }
}

function makeMetadata(
  flags: CreateFlags,
  surroundings: CreateSurroundings,
): { key: string; value: string }[] {
  const items = new Map<string, string>()
  const add = (key: string, value: string) => {
    if (items.has(key)) throw usageError(`The metadata key ${key} is given twice; keep one.`)
    items.set(key, value)
  }
  for (const [key, value] of parsePairs('--metadata', flags.metadata ?? [])) {
    add(key, readIfFile(value, surroundings))
  }
  if (flags.userData !== undefined) add('user-data', readUserData(flags.userData, surroundings))
  if (flags.sshKey !== undefined) {
    add('ssh-keys', flags.sshKey.map((key) => parseSshKey(key, surroundings)).join('\n'))
  }
  return [...items].map(([key, value]) => ({ key, value }))
}

/** A file's name without its @ would be handed to the guest, which makes nothing of it and says nothing. */
function readUserData(text: string, surroundings: CreateSurroundings): string {
  if (/^[./~]\S*$|^[\w./~-]+\.\w+$/.test(text)) {
    throw usageError(`--user-data ${text}: write @${text} for what is in that file.`)
  }
  return readIfFile(text, surroundings)
}

/** `USER:@FILE`, `@FILE` or `USER:ssh-ed25519 AAAA…`, as a line of `ssh-keys`. */
function parseSshKey(text: string, surroundings: CreateSurroundings): string {
  const match = /^(?:([^:@\s]+):)?(.+)$/s.exec(text)
  const key = readIfFile(match?.[2] ?? '', surroundings).trim()
  if (key.includes('PRIVATE KEY')) {
    throw usageError(`--ssh-key ${text} is a private key: give the public one, the file that ends in .pub.`)
  }
  if (!/^\S+ \S+/.test(key) || key.includes('\n')) {
    throw usageError(`--ssh-key ${text}: write USER:@FILE with the file of one public key, or USER:KEY.`)
  }
  return `${match?.[1] ?? surroundings.defaultUser}:${key}`
}

export function readIfFile(value: string, { readFile }: Pick<CreateSurroundings, 'readFile'>): string {
  return value.startsWith('@') ? readFile(value.slice(1)) : value
}

export function parsePairs(flag: string, texts: readonly string[]): [string, string][] {
  return texts.map((text) => {
    const at = text.indexOf('=')
    if (at < 1) throw usageError(`${flag} ${text}: write KEY=VALUE.`)
    return [text.slice(0, at), text.slice(at + 1)]
  })
}
