import type { Uplink } from '../../model/placement.ts'
import type { HostTraits } from '../counted-host.ts'
import { lacksForGood, type Rule } from '../rule.ts'

/** A network with a VLAN reaches its other members only by an uplink that is plugged in there. */
export const uplink: Rule = {
  name: 'uplink',
  holds: ({ uplinks = [] }, { host }) => uplinks.every((wanted) => carries(host, wanted)),
  explain: ({ uplinks = [] }, { host }) => {
    const { physicalNetwork = '', mtu = 0 } = uplinks.find((wanted) => !carries(host, wanted)) ?? {}
    const there = uplinkOf(host, physicalNetwork)
    return there === undefined
      ? lacksForGood(() => `it has no uplink of physical network ${physicalNetwork}`)
      : lacksForGood(
          () =>
            `its uplink of physical network ${physicalNetwork} has an MTU of ${there.mtu}, and ${mtu} is needed`,
          (mtu - there.mtu) / mtu,
        )
  },
}

const uplinkOf = ({ uplinks }: HostTraits, physicalNetwork: string) =>
  uplinks?.find((one) => one.physicalNetwork === physicalNetwork)

const carries = (host: HostTraits, { physicalNetwork, mtu }: Uplink): boolean =>
  (uplinkOf(host, physicalNetwork)?.mtu ?? -1) >= mtu
