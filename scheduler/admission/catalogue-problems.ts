import ipaddr from 'ipaddr.js'
import type { Catalogue, CatalogueImage, CatalogueNetwork, Project, Zone } from '../model/catalogue.ts'
import { checkHostname, renderHostname } from './hostname.ts'

/** What is wrong with a catalogue beyond its shape: a sentence each, for the operator who wrote it. */
export function findCatalogueProblems(catalogue: Catalogue): readonly string[] {
  const networks = catalogue.projects.flatMap((project) => project.networks)
  return [
    ...repeated('zone', catalogue.zones),
    ...repeated('image', catalogue.images),
    ...repeated('project', catalogue.projects),
    ...repeatedUids(networks),
    ...catalogue.zones.flatMap((zone) => zoneProblems(zone, catalogue)),
    ...catalogue.projects.flatMap(projectProblems),
    ...catalogue.images.flatMap(imageProblems),
    ...templateProblems(catalogue.hostnameTemplate),
  ]
}

function repeated(what: string, list: readonly { readonly id: string }[], where = ''): readonly string[] {
  const ids = list.map(({ id }) => id)
  const twice = new Set(ids.filter((id, index) => ids.indexOf(id) < index))
  return [...twice].map((id) => `The ${what} ${id} is declared more than once${where}; keep one.`)
}

function repeatedUids(networks: readonly CatalogueNetwork[]): readonly string[] {
  return repeated(
    'network uid',
    networks.map(({ uid }) => ({ id: uid })),
  )
}

function zoneProblems(zone: Zone, { images }: Catalogue): readonly string[] {
  const where = ` in zone ${zone.id}`
  const known = new Map(zone.acceleratorTypes.map((accelerator) => [accelerator.id, accelerator]))
  return [
    ...repeated('instance type', zone.instanceTypes, where),
    ...repeated('accelerator type', zone.acceleratorTypes, where),
    ...repeatedPciIds(zone),
    ...zone.instanceTypes.flatMap(({ id, gpus, defaultImage }) => [
      ...(gpus === undefined || known.has(gpus.type)
        ? []
        : [`The instance type ${id}${where} names the accelerator type ${gpus.type}, which the zone lacks.`]),
      ...(defaultImage === undefined || images.some((image) => image.id === defaultImage)
        ? []
        : [
            `The instance type ${id}${where} names the default image ${defaultImage}, which is not declared.`,
          ]),
    ]),
  ]
}

function repeatedPciIds(zone: Zone): readonly string[] {
  const pciIds = zone.acceleratorTypes.flatMap((accelerator) => accelerator.pciIds.map((id) => ({ id })))
  return repeated('PCI id', pciIds, ` in zone ${zone.id}`)
}

function projectProblems({ id, networks }: Project): readonly string[] {
  const where = ` in project ${id}`
  return [
    ...repeated('network', networks, where),
    ...(networks.some((network) => network.id === 'default')
      ? []
      : [`There is no network named default${where}; declare it, since NICs without a network join it.`]),
    ...networks.flatMap((network) => cidrProblems(network, where)),
  ]
}

function cidrProblems({ id, subnet }: CatalogueNetwork, where: string): readonly string[] {
  const { ipv4Cidr } = subnet
  const subject = `The subnet ${subnet.id} of network ${id}${where}`
  if (!ipaddr.IPv4.isValidCIDRFourPartDecimal(ipv4Cidr)) {
    return [`${subject} has "${ipv4Cidr}" as ipv4Cidr; write it as in 10.0.0.0/24.`]
  }
  const [, prefix] = ipaddr.IPv4.parseCIDR(ipv4Cidr)
  if (prefix < 8 || prefix > 29) return [`${subject} is /${prefix}; /8 to /29 are possible.`]
  const network = `${ipaddr.IPv4.networkAddressFromCIDR(ipv4Cidr).toString()}/${prefix}`
  return network === ipv4Cidr ? [] : [`${subject} has host bits set in ${ipv4Cidr}; write ${network}.`]
}

function imageProblems({ id, url, directKernel }: CatalogueImage): readonly string[] {
  const urls = [
    url,
    ...(directKernel === undefined ? [] : [directKernel.kernel.url, directKernel.initrd.url]),
  ]
  return urls
    .filter((candidate) => !/^(file:\/\/\/|https?:\/\/)/.test(candidate) || !URL.canParse(candidate))
    .map((candidate) => `The image ${id} has the url ${candidate}; write file:///…, http://… or https://….`)
}

function templateProblems(template: string): readonly string[] {
  const example = renderHostname(template, { instance: 'instance-a', zone: 'zone-a', project: 'project-a' })
  return checkHostname(example).length === 0
    ? []
    : [`The hostnameTemplate ${template} makes names such as ${example}, which are no host names.`]
}
