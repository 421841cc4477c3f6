// Networks, subnets and reserved addresses of a project.
import { networkUid, resourceUid } from '../../../proto/ids.ts'
import { allResolved, type ReferenceContext, resolveReference } from '../../admission/resolution.ts'
import type { CreateAddress, CreateNetwork, CreateSubnet } from '../../admission/resource-requests.ts'
import {
  findCidrTrouble,
  findIpv6CidrTrouble,
  isIpv4Address,
  isUsableAddress,
  subnetAddresses,
} from '../../admission/subnet.ts'
import { problem, type Refusal, refuse, refuseAll } from '../../errors.ts'
import type { CatalogueNetwork, CatalogueSubnet, Project } from '../../model/catalogue.ts'
import { scopeOf } from '../../model/resource.ts'
import type { CreateResource } from '../../store/resource-store.ts'
import { done, type Outcome } from '../outcome.ts'
import type { OperationPorts } from '../ports.ts'
import type { Planned } from './change-resource.ts'

type Ports = Pick<OperationPorts, 'catalogue' | 'clock' | 'random'>
/** As it is at this moment: what was there when the request came may have gone. */
export interface InProject {
  readonly project: string
  readonly serverHost: string
}

/** Where subnets are found that nobody gave a range. */
const automatic = { pool: '10.128.0.0/9', prefixLength: 20 } as const
const defaultMtu = 1500

export function planNetwork(
  { body, project: id, mayChooseVlan }: InProject & { body: CreateNetwork; mayChooseVlan: boolean },
  ports: Ports,
): Planned {
  const project = findProject(id, ports)
  if (project === undefined) return refuse('PROJECT_NOT_FOUND', { id })
  for (const field of ['vlan', 'physicalNetwork'] as const) {
    if (body[field] === undefined || mayChooseVlan) continue
    const message = `Only an operator chooses how a network leaves its hosts; leave ${field} out, and it is chosen.`
    return refuse('INVALID_VALUE', { message }, field)
  }
  return done([networkOf({ ...body, project, isIn: project.meta.uid }, ports)])
}

function networkOf(
  { project, isIn, vlan, ...body }: CreateNetwork & { project: Pick<Project, 'id'>; isIn: string },
  { catalogue, clock, random }: Ports,
): CreateResource {
  const { vlanPool: pool } = catalogue
  return {
    uid: resourceUid(random.uuid()),
    collection: 'networks',
    scope: scopeOf.project(project.id),
    id: body.id ?? `network-${random.slug(6)}`,
    parentUid: resourceUid(isIn),
    body: {
      ...{ ...describe(body), mtu: body.mtu ?? defaultMtu, vlan: 0 },
      ...(body.defaultIngress === undefined ? {} : { defaultIngress: body.defaultIngress }),
      ...(body.internetAccess === undefined ? {} : { internetAccess: body.internetAccess }),
      ...(body.physicalNetwork === undefined ? {} : { physicalNetwork: body.physicalNetwork }),
    },
    taking: {
      kind: 'vlan',
      ...(vlan === undefined ? {} : { asked: vlan }),
      ...(pool === undefined ? {} : { pool }),
    },
    nowMs: clock.nowMs(),
  }
}

/** What a new project begins with. */
export function planDefaultNetwork(
  project: { readonly id: string; readonly uid: string },
  ports: Ports,
): readonly CreateResource[] {
  const network = networkOf({ id: 'default', project, isIn: project.uid }, ports)
  const subnet: CreateResource = {
    ...network,
    uid: resourceUid(ports.random.uuid()),
    collection: 'subnets',
    parentUid: network.uid,
    body: {},
    taking: { kind: 'cidr', ...automatic },
  }
  return [network, subnet]
}

export function planSubnet(
  { body, project: id, serverHost }: InProject & { body: CreateSubnet },
  ports: Ports,
): Planned {
  const { random, clock } = ports
  const project = findProject(id, ports)
  if (project === undefined) return refuse('PROJECT_NOT_FOUND', { id })
  const { ipv4Cidr: asked, ipv6Cidr } = body
  const found = findNetwork(body.network, { project, serverHost, ...ports })
  const troubles = [
    ['ipv4Cidr', asked === undefined ? undefined : findCidrTrouble(asked)],
    ['ipv6Cidr', ipv6Cidr === undefined ? undefined : findIpv6CidrTrouble(ipv6Cidr)],
  ] as const
  const problems = [
    ...(found.kind === 'refused' ? found.problems : []),
    ...troubles.flatMap(([field, trouble]) =>
      trouble === undefined ? [] : [problem('INVALID_RANGE', { message: `The subnet ${trouble}` }, field)],
    ),
  ]
  const [first, ...others] = problems
  if (first !== undefined) return refuseAll([first, ...others])
  if (found.kind === 'refused') return found
  const network = found.value
  return done([
    {
      uid: resourceUid(random.uuid()),
      collection: 'subnets',
      scope: scopeOf.project(project.id),
      id: body.id ?? `subnet-${random.slug(6)}`,
      parentUid: network.meta.uid,
      body: { ...describe(body), ...(ipv6Cidr === undefined ? {} : { ipv6Cidr }) },
      taking: { kind: 'cidr', ...automatic, ...(asked === undefined ? {} : { asked }) },
      nowMs: clock.nowMs(),
    },
  ])
}

export function planAddress(
  { body, project: id, serverHost }: InProject & { body: CreateAddress },
  ports: Ports,
): Planned {
  const { random, clock } = ports
  const project = findProject(id, ports)
  if (project === undefined) return refuse('PROJECT_NOT_FOUND', { id })
  const found = findSubnet(body.subnet, { project, serverHost, ...ports })
  if (found.kind === 'refused') return found
  const { network, subnet } = found.value
  const { gateway, service } = subnetAddresses(subnet)
  const { address: requestedIpv4 } = body
  if (requestedIpv4 !== undefined) {
    const refusal = refuseAddress(requestedIpv4, { subnet, reserved: [gateway, service] })
    if (refusal !== undefined) return refusal
  }
  return done([
    {
      uid: resourceUid(random.uuid()),
      collection: 'addresses',
      scope: scopeOf.project(project.id),
      id: body.id ?? `address-${random.slug(6)}`,
      parentUid: subnet.meta.uid,
      body: { ...describe(body), subnet: subnet.id },
      taking: {
        kind: 'address',
        networkUid: networkUid(network.meta.uid),
        ipv4Cidr: subnet.ipv4Cidr,
        reservedIpv4: [gateway, service],
        ...(requestedIpv4 === undefined ? {} : { requestedIpv4 }),
      },
      nowMs: clock.nowMs(),
    },
  ])
}

function refuseAddress(
  address: string,
  { subnet, reserved }: { subnet: CatalogueSubnet; reserved: readonly string[] },
): Refusal | undefined {
  if (!isIpv4Address(address)) {
    const message = `"${address}" is no IPv4 address; write four numbers as in 10.0.0.7.`
    return refuse('INVALID_VALUE', { message }, 'address')
  }
  if (!isUsableAddress(address, subnet.ipv4Cidr)) {
    return refuse('ADDRESS_OUTSIDE_SUBNET', { address, cidr: subnet.ipv4Cidr }, 'address')
  }
  return reserved.includes(address)
    ? refuse('ADDRESS_RESERVED', { address, why: 'gateway or service address' }, 'address')
    : undefined
}

const describe = ({ description }: { description?: string }) =>
  description === undefined ? {} : { description }

const findProject = (id: string, { catalogue }: Ports): Project | undefined =>
  catalogue.projects.find((candidate) => candidate.id === id)

type Where = Pick<Ports, 'catalogue'> & { readonly project: Project; readonly serverHost: string }

function findNetwork(text: string, where: Where): Outcome<CatalogueNetwork> {
  const { networks } = where.project
  return findById({ text, what: 'Network', collection: 'networks', list: networks }, where)
}

function findSubnet(
  text: string,
  where: Where,
): Outcome<{ readonly id: string; readonly network: CatalogueNetwork; readonly subnet: CatalogueSubnet }> {
  const list = where.project.networks.flatMap((network) =>
    network.subnet === undefined ? [] : [{ id: network.subnet.id, network, subnet: network.subnet }],
  )
  return findById({ text, what: 'Subnet', collection: 'subnets', list }, where)
}

function findById<Entry extends { readonly id: string }>(
  {
    text,
    what,
    collection,
    list,
  }: { text: string; what: string; collection: 'networks' | 'subnets'; list: readonly Entry[] },
  context: ReferenceContext,
): Outcome<Entry> {
  const field = what.toLowerCase()
  const reference = allResolved([resolveReference({ text, field, collection }, context)])
  if (reference.kind === 'refused') {
    const [first, ...others] = reference.problems
    if (first === undefined) throw new Error('A refusal has no problem in it.')
    return refuseAll([first, ...others])
  }
  const id = reference.value[0]?.id ?? ''
  const found = list.find((candidate) => candidate.id === id)
  if (found !== undefined) return done(found)
  const known = list.map((candidate) => candidate.id)
  return refuse('REFERENCE_NOT_FOUND', { what, id, known }, field)
}
