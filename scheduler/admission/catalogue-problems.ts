import type { Settings } from '../config.ts'
import { checkHostname, renderHostname } from './hostname.ts'
import { findCidrTrouble, findIpv6CidrTrouble } from './subnet.ts'

type Catalogue = Pick<Settings, 'zones' | 'images' | 'projects' | 'hostnameTemplate'>
type Zone = Settings['zones'][number]
type Image = Settings['images'][number]
type Project = Settings['projects'][number]
type Network = Project['networks'][number]

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

function repeatedUids(networks: readonly Network[]): readonly string[] {
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

function cidrProblems({ id, subnet }: Network, where: string): readonly string[] {
  const { ipv4Cidr, ipv6Cidr } = subnet
  const troubles = [
    findCidrTrouble(ipv4Cidr),
    ipv6Cidr === undefined ? undefined : findIpv6CidrTrouble(ipv6Cidr),
  ]
  return troubles.flatMap((trouble) =>
    trouble === undefined ? [] : [`The subnet ${subnet.id} of network ${id}${where} ${trouble}`],
  )
}

function imageProblems({ id, url, directKernel }: Image): readonly string[] {
  const urls = [
    url,
    ...(directKernel === undefined ? [] : [directKernel.kernel.url, directKernel.initrd.url]),
  ]
  return urls
    .filter((candidate) => !isImageUrl(candidate))
    .map((candidate) => `The image ${id} has the url ${candidate}; write file:///…, http://… or https://….`)
}

/** Where hosts can fetch an image from. */
export const isImageUrl = (url: string): boolean =>
  /^(file:\/\/\/|https?:\/\/)/.test(url) && URL.canParse(url)

function templateProblems(template: string): readonly string[] {
  const example = renderHostname(template, { instance: 'instance-a', zone: 'zone-a', project: 'project-a' })
  return checkHostname(example).length === 0
    ? []
    : [`The hostnameTemplate ${template} makes names such as ${example}, which are no host names.`]
}
