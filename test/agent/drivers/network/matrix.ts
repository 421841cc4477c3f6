// Every kind of frame, sent by one who may not be trusted, and where it arrived: with the filters off and with them on.
import { type Cast, type Kind, nameFrames } from './frames.ts'
import { forgedArp, honestArp } from './frames-arp.ts'
import { forgedEthernet } from './frames-ethernet.ts'
import { forgedIpv4, honestIpv4 } from './frames-ipv4.ts'
import { forgedIpv6, honestIpv6 } from './frames-ipv6.ts'
import { castOf, type LabGuest, type TwoHosts } from './two-hosts.ts'

export const honestKinds = (cast: Cast): readonly Kind[] => [
  ...honestArp(cast),
  ...honestIpv4(cast),
  ...honestIpv6(cast),
]

export const forgedKinds = (cast: Cast): readonly Kind[] => [
  ...forgedArp(cast),
  ...forgedIpv4(cast),
  ...forgedIpv6(cast),
  ...forgedEthernet(cast),
]

/** Honest, and of no use to guests of other hosts: each host has services of its own, and there are no routers. */
export const endsAtUplink: ReadonlySet<string> = new Set([
  'IPv4: a DHCP discover',
  'IPv4: a DHCP renewal',
  'IPv6: a router solicitation',
  'IPv6: a router solicitation without its MAC',
  'IPv6: DHCPv6 as a client',
])

/**
 * From the uplink these may come in: they lie about nobody who is here. Who may have which address elsewhere is known
 * there, and held at the taps there.
 */
export const ofStrangers: ReadonlySet<string> = new Set([
  'IPv4: a link-local address',
  'IPv4: an address of its own choice',
  "IPv4: the network's own address",
  'IPv6: an address of its own choice',
  'IPv6: a link-local address of its own choice',
  'IPv6: an address that IPv4 gives',
  'IPv6: a probe with a MAC in it',
  'IPv6: a solicitation with the wrong option',
  'IPv6: an advertisement as a router',
  'Ethernet: a MAC of its own choice',
  "Ethernet: a virtual router's MAC",
])

/** Names of the kinds that arrived. */
export interface Arrivals {
  /** From one guest to its neighbour on one host. */
  readonly oneHost: ReadonlySet<string>
  /** To a guest on another host. */
  readonly acrossHosts: ReadonlySet<string>
  /** From what else is plugged into the VLAN, to a guest. */
  readonly fromUplink: ReadonlySet<string>
}

export async function sendAll({ forger, neighbour, stranger }: TwoHosts): Promise<Arrivals> {
  return {
    oneHost: await sendTo(neighbour, forger),
    acrossHosts: await sendTo(stranger, forger),
    fromUplink: await sendTo(neighbour, stranger),
  }
}

/** Which kinds arrive at a guest that the sender plays, whatever is between. */
export async function sendTo(receiver: LabGuest, sender: LabGuest): Promise<ReadonlySet<string>> {
  const cast = castOf(sender, receiver)
  const frames = nameFrames([...honestKinds(cast), ...forgedKinds(cast)])
  // Bridges know where it is: what others said in its name is forgotten.
  const [greeting] = nameFrames(honestArp(castOf(receiver, sender)))
  const received = await receiver.capture(() => {
    receiver.send([greeting?.hex ?? ''])
    sender.send(frames.map(({ hex }) => hex))
  })
  return new Set(
    frames.filter(({ marker }) => received.some((hex) => hex.includes(marker))).map(({ what }) => what),
  )
}
