import ipaddr from 'ipaddr.js'
import type { Network } from '../../proto/gen/berth/agent/v1/instance_pb.ts'

/** How guests of this host reach the outside, as the operator has it. */
export interface GatewaySettings {
  /** The only interface by which they leave. */
  readonly interface: string
  /** What they may reach although it is closed to them by default, and the other way round. */
  readonly allowedRanges: readonly string[]
  readonly deniedRanges: readonly string[]
  /** Who knows the names of the outside; guests ask their network's own service. */
  readonly nameServers: readonly string[]
}

export const hasGateway = (network: Pick<Network, 'firewall'>): boolean =>
  network.firewall?.natGateway ?? false

/** The two ends of the veth between a network's namespace and the host: a /31. */
export interface TransferNet {
  readonly host: string
  readonly inside: string
  readonly prefix: 31
}

/**
 * Transfer nets are cut from the lower half of the link-local range: nobody routes it, guests can't have it, and what
 * clouds serve there is in the upper half.
 */
const firstTransfer = '169.254.64.0'
export const transferNets = 8192

export function transferNet(number: number): TransferNet {
  if (!Number.isInteger(number) || number < 0 || number >= transferNets) {
    throw new Error(`${number} is no transfer net.`)
  }
  return { host: addressAt(2 * number), inside: addressAt(2 * number + 1), prefix: 31 }
}

function addressAt(offset: number): string {
  const [a = 0, b = 0, c = 0] = ipaddr.IPv4.parse(firstTransfer).toByteArray()
  return [a, b, c + (offset >> 8), offset & 255].join('.')
}
