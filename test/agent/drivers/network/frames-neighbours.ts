// What a guest could say in ICMPv6 about others' addresses and MACs, or as a router.
import { linkLocalOf } from '../../../../agent/plan/nft-ipv6.ts'
import type { Cast, Kind } from './frames.ts'
import { first, fragment, icmp, macOption, next, speak } from './packets-ipv6.ts'

/** Type of the ICMPv6 message. */
const [solicit, advert, router, redirect, routerSolicit] = [135, 136, 134, 137, 133]
const override = '20000000'

/** What no guest has to say to others. */
const rolesOfOthers: readonly (readonly [what: string, type: number])[] = [
  ['a question of a multicast router', 130],
  ['a multicast listener that is done', 132],
  ['router renumbering', 138],
  ['a node information query', 139],
  ['an inverse solicitation', 141],
  ['an inverse advertisement', 142],
  ['a home agent address', 145],
  ['a mobile prefix', 147],
  ['a certification path', 149],
  ['a multicast router advertisement', 151],
  ['a routing tree', 155],
]

export function forgedNeighbours({ own: { mac, ip6: ip }, other, service }: Cast): Kind[] {
  const [link, otherLink, serviceLink] = [mac, other.mac, service.mac].map(linkLocalOf) as [
    string,
    string,
    string,
  ]
  const { neighbour, exactly, behind } = speak(mac, ip)
  const probe = (target: string) => neighbour('::', { type: solicit, target })
  const claim = (from: string, target: string, by: string) =>
    neighbour(from, { type: advert, target, flags: override, option: [2, by] })
  const ask = (from: string, target: string, by: string, hops?: number) =>
    neighbour(from, { type: solicit, target, option: [1, by] }, hops)
  const announce = (from: string) => neighbour(from, { type: router, target: '::' })
  return [
    ["a probe of another's address", probe(other.ip6)],
    ["a probe of another's link-local address", probe(otherLink)],
    ["a probe of the services' address", probe(service.ip6)],
    ['a probe in pieces', behind(next.fragment, fragment(next.icmp, first), { type: solicit, target: ip })],
    ['a probe with a MAC in it', ask('::', ip, mac)],
    ['a probe from afar', neighbour('::', { type: solicit, target: ip }, 64)],
    ["a solicitation from another's address", ask(other.ip6, ip, mac)],
    ["a solicitation from the services' link-local address", ask(serviceLink, other.ip6, mac)],
    ["a solicitation with another's MAC", ask(ip, other.ip6, other.mac)],
    ['a solicitation from afar', ask(ip, other.ip6, mac, 64)],
    ['a solicitation with the wrong option', neighbour(ip, { type: solicit, target: ip, option: [2, mac] })],
    ["an advertisement of another's address", claim(ip, other.ip6, mac)],
    ["an advertisement of another's link-local address", claim(link, otherLink, mac)],
    [
      "an advertisement of another's address without a MAC",
      neighbour(ip, { type: advert, target: other.ip6, flags: override }),
    ],
    ["an advertisement of the services' address", claim(ip, service.ip6, mac)],
    ["an advertisement of the services' link-local address", claim(link, serviceLink, mac)],
    ["an advertisement with another's MAC", claim(ip, ip, other.mac)],
    [
      "an advertisement with another's MAC after its own",
      exactly(ip, `${icmp({ type: advert, target: ip, option: [2, mac] })}${macOption(2, other.mac)}`),
    ],
    ["an advertisement from another's address", claim(other.ip6, ip, mac)],
    ['an advertisement as a router', neighbour(ip, { type: advert, target: ip, flags: 'a0000000' })],
    ['an advertisement from afar', neighbour(ip, { type: advert, target: ip }, 1)],
    ['an advertisement of a code', neighbour(ip, { type: advert, target: ip, code: '01' })],
    [
      'an advertisement in pieces',
      behind(next.fragment, fragment(next.icmp, first), { type: advert, target: ip }),
    ],
    ['a router advertisement', announce(link)],
    [
      'a router advertisement with its MAC',
      neighbour(link, { type: router, target: '::', option: [1, mac] }),
    ],
    ["a router advertisement from another's address", announce('fe80::1')],
    ["a router advertisement in the services' name", announce(serviceLink)],
    ['a redirect', neighbour(link, { type: redirect, target: other.ip6 })],
    [
      "a router solicitation with another's MAC",
      neighbour(link, { type: routerSolicit, option: [1, other.mac] }),
    ],
    ['a multicast listener report of another', neighbour(otherLink, { type: 131, target: '::' })],
    ...rolesOfOthers.map(([what, type]): Kind => [what, neighbour(link, { type, target: '::' })]),
  ]
}
