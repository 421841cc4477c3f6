import { fits, type Rule } from '../rule.ts'

/** A network with a VLAN reaches its other members only by an uplink that is plugged in there. */
export const uplink: Rule = {
  name: 'uplink',
  check: (demand, host) => {
    for (const { physicalNetwork, mtu } of demand.uplinks ?? []) {
      const there = host.uplinks?.find((one) => one.physicalNetwork === physicalNetwork)
      if (there !== undefined && there.mtu >= mtu) continue
      const message =
        there === undefined
          ? `it has no uplink of physical network ${physicalNetwork}`
          : `its uplink of physical network ${physicalNetwork} has an MTU of ${there.mtu}, and ${mtu} is needed`
      const shortfall = there === undefined ? 1 : (mtu - there.mtu) / mtu
      return { kind: 'refused', message, couldEverFit: false, shortfall }
    }
    return fits
  },
}
