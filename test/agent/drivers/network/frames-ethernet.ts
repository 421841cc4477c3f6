// What is neither ARP nor IP, or from another MAC: a guest has no honest frames of this kind.
import { broadcast, type Cast, ethernet, hex16, type Kind, udp, under } from './frames.ts'
import { ipv4 } from './frames-ipv4.ts'

/** Bridges pass these two on; other addresses of the range end at the first bridge, forged or not. */
const spanningTree = '01:80:c2:00:00:00'
const ciscoShared = '01:00:0c:cc:cc:cd'

const otherTypes: readonly (readonly [what: string, type: string, to?: string])[] = [
  ['RARP', '8035'],
  ['AppleTalk', '809b'],
  ['IPX', '8137'],
  ['wake on LAN', '0842'],
  ['pause', '8808'],
  ['LACP', '8809'],
  ['MPLS', '8847'],
  ['MPLS to many', '8848'],
  ['PPPoE discovery', '8863'],
  ['PPPoE', '8864'],
  ['EAPOL', '888e'],
  ['MACsec', '88e5'],
  ['MRP', '88f5'],
  ['PTP', '88f7'],
  ['ATA over Ethernet', '88a2'],
  ['RoCE', '8915'],
  ['FCoE', '8906'],
  ['LLDP', '88cc', spanningTree],
  ['LLDP to everybody', '88cc'],
  ['BATMAN', '4305'],
  ['TRILL', '22f3'],
  ['a service header', '894f'],
  ['bridged Ethernet', '6558'],
  ['a loopback test', '9000'],
  ['a type for experiments', '88b5'],
]

export function forgedEthernet({ own, other, service }: Cast): Kind[] {
  const packet = (payload: string) =>
    ipv4({ from: own.ip, to: other.ip, payload: udp({ from: 5000, to: 5000, payload }) })
  const from = own.mac
  const tagged =
    (...tags: readonly string[]) =>
    (marker: string) =>
      ethernet({ from, type: tags.join(''), payload: `0800${packet(marker)}` })
  /** IEEE 802.3: a length, and the type in what follows. */
  const llc =
    (header: string, to = broadcast) =>
    (marker: string) =>
      ethernet({ from, to, type: hex16((header.length + marker.length) / 2), payload: header + marker })
  const snapped = (marker: string) => {
    const payload = `aaaa030000000800${packet(marker)}`
    return ethernet({ from, type: hex16(payload.length / 2), payload })
  }
  const source = (mac: string) => (marker: string) =>
    ethernet({ from: mac, type: '0800', payload: packet(marker) })
  return under('Ethernet', [
    ["another's MAC", source(other.mac)],
    ["the services' MAC", source(service.mac)],
    ['a MAC of its own choice', source('02:5b:00:00:77:77')],
    ["a virtual router's MAC", source('00:00:5e:00:01:01')],
    ['a VLAN tag', tagged('81000005')],
    ['a priority tag', tagged('81000000')],
    ['a provider tag', tagged('88a80005')],
    ['two VLAN tags', tagged('81000005', '81000006')],
    ['a provider tag and a VLAN tag', tagged('88a80005', '81000006')],
    ['an old provider tag', tagged('91000005')],
    ['spanning tree', llc(`42420300000000008000${'00'.repeat(25)}`, spanningTree)],
    ['spanning tree of one VLAN', llc('aaaa0300000c010b', ciscoShared)],
    ['Cisco discovery', llc('aaaa0300000c2000', '01:00:0c:cc:cc:cc')],
    ['NetBIOS', llc('f0f003')],
    ['raw IPX', llc('ffff')],
    ['IPv4 in a frame with a length', snapped],
    ...otherTypes.map(
      ([what, type, to]): Kind => [what, (payload) => ethernet({ from, ...(to && { to }), type, payload })],
    ),
  ])
}
