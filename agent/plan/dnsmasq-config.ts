import ipaddr from 'ipaddr.js'
import type { Network } from '../../proto/gen/berth/agent/v1/instance_pb.ts'
import { hasGateway } from './gateway.ts'
import { serviceInterfaceName } from './names.ts'

export const metadataAddress = '169.254.169.254'
const defaultMtu = 1500

export const networkMtu = (network: Pick<Network, 'mtu'>) => network.mtu || defaultMtu

/** Where one network's dnsmasq finds its files; all below the network's run directory. */
export interface DnsmasqPaths {
  readonly config: string
  readonly pidFile: string
  /** One file for each port: MAC and address. */
  readonly dhcpHosts: string
  /** One file for each port, and one for members elsewhere: addresses and names. */
  readonly dnsHosts: string
}

export function dnsmasqPaths(networkDirectory: string): DnsmasqPaths {
  return {
    config: `${networkDirectory}/dnsmasq.conf`,
    pidFile: `${networkDirectory}/dnsmasq.pid`,
    dhcpHosts: `${networkDirectory}/dhcp-hosts`,
    dnsHosts: `${networkDirectory}/dns-hosts`,
  }
}

/**
 * The configuration of the dnsmasq that serves one network's guests on one host: only ports it was told of. The name
 * servers are those of the outside, which a network without a gateway can't reach.
 */
export function renderDnsmasqConfig(
  network: Network,
  paths: DnsmasqPaths,
  nameServers: readonly string[] = [],
): string {
  const service = checkedIpv4(network.serviceIpv4)
  const gateway = hasGateway(network) ? checkedIpv4(network.ipv4Gateway) : ''
  const hasIpv6 = network.ipv6Cidr !== ''
  const cidr = checkedCidr(network.ipv4Cidr)
  const domain = checked('domain', /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$|^$/i, network.domain)
  return lines([
    `pid-file=${paths.pidFile}`,
    'user=nobody',
    `interface=${serviceInterfaceName}`,
    'except-interface=lo',
    'bind-interfaces',
    '',
    // Names of this network's ports, and where there is a way outside those of the servers that the host names.
    'no-resolv',
    ...(hasGateway(network) ? nameServers.map((server) => `server=${checkedIpv4(server)}`) : []),
    'no-hosts',
    // Software that was written for Google's asks by name.
    `host-record=metadata.google.internal,${metadataAddress}`,
    `addn-hosts=${paths.dnsHosts}`,
    ...(domain === '' ? [] : ['expand-hosts', `domain=${domain}`, `local=/${domain}/`]),
    '',
    // Leases live in memory. After a restart the same port gets the same address, for its file says so, and a client
    // that renews is believed, for the server is authoritative: no lease file to outlive a port and block its address.
    `dhcp-range=${cidr.address},static,${cidr.netmask},infinite`,
    `dhcp-hostsfile=${paths.dhcpHosts}`,
    'dhcp-authoritative',
    'leasefile-ro',
    'dhcp-ignore=tag:!known',
    // A port is its MAC: what a guest calls itself neither names it nor gives it a second lease.
    'dhcp-ignore-clid',
    'dhcp-ignore-names',
    'no-ping',
    'quiet-dhcp',
    '',
    // Clients that know option 121 leave option 3 aside. Without a gateway the bare option 3 takes the default route out of
    // the answer: a route to nowhere would hide that from the guest. For the same reason 121 has no 0.0.0.0/0 then.
    `dhcp-option=3${gateway === '' ? '' : `,${gateway}`}`,
    `dhcp-option=6,${service}`,
    `dhcp-option=26,${networkMtu(network)}`,
    `dhcp-option=121,${metadataAddress}/32,${service}${gateway === '' ? '' : `,0.0.0.0/0,${gateway}`}`,
    ...(hasIpv6 ? renderIpv6(network) : []),
  ])
}

function renderIpv6({ ipv6Cidr, serviceIpv6 }: Network): readonly string[] {
  const prefix = checkedIpv6(ipv6Cidr.replace(/\/64$/, ''))
  return [
    '',
    // Advertised: the range is on the link, its addresses come by DHCPv6, and there is no default route.
    'enable-ra',
    `ra-param=${serviceInterfaceName},60,0`,
    `dhcp-range=${prefix},static,64,infinite`,
    `dhcp-option=option6:dns-server,[${checkedIpv6(serviceIpv6)}]`,
  ]
}

export interface DnsmasqHost {
  readonly macAddress: string
  readonly ipv4Address: string
  /** Empty where its network has no IPv6. */
  readonly ipv6Address: string
  readonly hostname: string
}

/** The name is left to the other file: a word like `ignore` would be a command here. */
export function renderDhcpHost(host: DnsmasqHost): string {
  const mac = checked('MAC address', /^([0-9a-f]{2}:){5}[0-9a-f]{2}$/, host.macAddress.toLowerCase())
  const ipv6 = host.ipv6Address === '' ? '' : `,[${checkedIpv6(host.ipv6Address)}]`
  return `${mac},${checkedIpv4(host.ipv4Address)}${ipv6}\n`
}

export const renderDnsHost = ({ hostname, ipv4Address, ipv6Address }: DnsmasqHost): string =>
  renderDnsNames(hostname, ipv6Address === '' ? [ipv4Address] : [ipv4Address, ipv6Address])

/** The short name first: with the network's domain it is what DHCP tells the guest about itself. */
export function renderDnsNames(name: string, addresses: readonly string[]): string {
  const hostname = checked('host name', /^[a-z0-9]([-.a-z0-9]*[a-z0-9])?$/i, name)
  const label = hostname.split('.')[0] ?? hostname
  const names = label === hostname ? label : `${label} ${hostname}`
  const checkedAddress = (address: string) =>
    address.includes(':') ? checkedIpv6(address) : checkedIpv4(address)
  return lines(addresses.map((address) => `${checkedAddress(address)} ${names}`))
}

export function prefixLength(ipv4Cidr: string): number {
  return ipaddr.IPv4.parseCIDR(ipv4Cidr)[1]
}

export const subnetMask = (ipv4Cidr: string): string => checkedCidr(ipv4Cidr).netmask

function checkedCidr(text: string): { address: string; netmask: string } {
  return {
    address: ipaddr.IPv4.networkAddressFromCIDR(text).toString(),
    netmask: ipaddr.IPv4.subnetMaskFromPrefixLength(prefixLength(text)).toString(),
  }
}

function checkedIpv4(text: string): string {
  if (!ipaddr.IPv4.isValidFourPartDecimal(text)) throw new Error(`'${text}' is no IPv4 address.`)
  return text
}

function checkedIpv6(text: string): string {
  if (!ipaddr.IPv6.isValid(text) || text.includes('%')) throw new Error(`'${text}' is no IPv6 address.`)
  return ipaddr.IPv6.parse(text).toString()
}

function checked(what: string, pattern: RegExp, value: string): string {
  if (!pattern.test(value)) throw new Error(`'${value}' is no ${what} that DHCP and DNS can serve.`)
  return value
}

const lines = (list: readonly string[]) => `${list.join('\n')}\n`
