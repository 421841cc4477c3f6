import { type Problem, problem } from '../errors.ts'
import type { CatalogueNetwork, CatalogueSubnet, InstanceType } from '../model/catalogue.ts'
import type { InstanceNic } from '../model/instance.ts'
import type { NicRequest } from './instance-request.ts'
import { resolveIpv4 } from './nic-addresses.ts'
import {
  type AdmissionContext,
  allResolved,
  type Resolution,
  refusedWith,
  resolved,
  resolveReference,
} from './resolution.ts'
import { resourcePaths } from './resource-path.ts'

export interface ResolvedNic {
  readonly details: InstanceNic
  readonly network: CatalogueNetwork
  readonly subnet: CatalogueSubnet
}

const defaultNetwork = 'default'

/** The NICs with network, subnet and MAC address; without any in the request, one on the network `default`. */
export function resolveNics(
  nics: readonly NicRequest[],
  type: Pick<InstanceType, 'networkMbps'>,
  context: AdmissionContext,
): Resolution<readonly ResolvedNic[]> {
  const asked = nics.length === 0 ? [{}] : nics
  const together = allResolved(asked.map((nic, index) => resolveNic(nic, { index, type }, context)))
  if (together.kind === 'refused') return together
  const problems = findRepeatedAddresses(together.value)
  return problems.length === 0 ? together : refusedWith(...problems)
}

function resolveNic(
  nic: NicRequest,
  { index, type }: { index: number; type: Pick<InstanceType, 'networkMbps'> },
  context: AdmissionContext,
): Resolution<ResolvedNic> {
  const field = nicField(index)
  const found = resolveNetwork(nic, field, context)
  if (found.kind === 'refused') return found
  const network = found.value
  const { subnet } = network
  if (subnet === undefined) {
    return refusedWith(problem('NO_SUBNET', { network: network.id }, `${field}.network`))
  }
  const address = resolveIpv4(nic, field, subnet)
  const problems = [
    ...(address.kind === 'refused' ? address.problems : []),
    ...checkVlan(nic, field, network),
  ]
  if (address.kind === 'refused' || problems.length > 0) return refusedWith(...problems)
  const paths = resourcePaths(context.catalogue.region)
  return resolved({
    network,
    subnet,
    details: {
      name: `nic${index}`,
      network: paths.network(context.project.id, network.id),
      subnet: paths.subnet(context.project.id, subnet.id),
      ...(address.value === undefined ? {} : { ipv4Address: address.value }),
      ...(network.vlan === 0 ? {} : { vlan: network.vlan }),
      macAddress: context.identity.macAddresses[index] ?? '',
      ...(type.networkMbps === undefined ? {} : { networkMbps: type.networkMbps }),
    },
  })
}

const nicField = (index: number) => `nics[${index}]`

/** By its name, or by the subnet alone. */
function resolveNetwork(
  nic: NicRequest,
  field: string,
  context: AdmissionContext,
): Resolution<CatalogueNetwork> {
  const { networks } = context.project
  const byName = (text: string): Resolution<CatalogueNetwork> => {
    const at = { text, field: `${field}.network`, collection: 'networks' } as const
    const reference = resolveReference(at, context)
    if (reference.kind === 'refused') return reference
    const { id } = reference.value
    const network = networks.find((candidate) => candidate.id === id)
    if (network !== undefined) return resolved(network)
    const known = networks.map((candidate) => candidate.id)
    return refusedWith(problem('REFERENCE_NOT_FOUND', { what: 'Network', id, known }, at.field))
  }
  if (nic.subnet === undefined) return byName(nic.network ?? defaultNetwork)

  const at = { text: nic.subnet, field: `${field}.subnet`, collection: 'subnets' } as const
  const subnet = resolveReference(at, context)
  const named = nic.network === undefined ? undefined : byName(nic.network)
  if (subnet.kind === 'refused') {
    return refusedWith(...subnet.problems, ...(named?.kind === 'refused' ? named.problems : []))
  }
  if (named?.kind === 'refused') return named
  const candidates = named === undefined ? networks : [named.value]
  const holders = candidates.filter((network) => network.subnet?.id === subnet.value.id)
  const [holder] = holders
  if (holder !== undefined && holders.length === 1) return resolved(holder)
  const { id } = subnet.value
  if (holder !== undefined) {
    const where = holders.map((network) => `network ${network.id}`)
    return refusedWith(problem('REFERENCE_AMBIGUOUS', { what: 'Subnet', id, where }, at.field))
  }
  const known = candidates.flatMap((network) => network.subnet?.id ?? [])
  return refusedWith(problem('REFERENCE_NOT_FOUND', { what: 'Subnet', id, known }, at.field))
}

function checkVlan(nic: NicRequest, field: string, network: CatalogueNetwork): readonly Problem[] {
  if (nic.vlan === undefined || nic.vlan === network.vlan) return []
  return [problem('VLAN_MISMATCH', { network: network.id, vlan: network.vlan }, `${field}.vlan`)]
}

function findRepeatedAddresses(nics: readonly ResolvedNic[]): readonly Problem[] {
  const seen = new Set<string>()
  return nics.flatMap(({ details, network }, index) => {
    if (details.ipv4Address === undefined) return []
    const key = `${network.meta.uid} ${details.ipv4Address}`
    if (!seen.has(key)) {
      seen.add(key)
      return []
    }
    return [problem('ADDRESS_IN_USE', { address: details.ipv4Address }, `${nicField(index)}.ipv4Address`)]
  })
}
