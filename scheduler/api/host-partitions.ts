import { type Static, Type } from 'typebox'
import type { HostView } from '../operations/list-hosts.ts'

export const HostPartitions = Type.Array(
  Type.Object({
    id: Type.Integer({ description: 'As Fabric Manager numbers them.' }),
    addresses: Type.Array(Type.String(), { description: 'Of its GPUs, on the PCI bus.' }),
    state: Type.Enum(['FREE', 'ACTIVE', 'BLOCKED', 'UNHEALTHY'], {
      description:
        'ACTIVE: a guest has it. BLOCKED: of its GPUs some are claimed, or are on their way to or from a guest. UNHEALTHY: one is missing or QUARANTINED.',
    }),
  }),
  { description: 'What NVSwitches join: a guest gets the GPUs of one. They overlap.' },
)

type Partition = Static<typeof HostPartitions>[number]

export function renderPartitions({
  facts,
  devices,
}: Pick<HostView, 'facts' | 'devices'>): Static<typeof HostPartitions> {
  const known = new Map<string, HostView['devices'][number]>(devices.map((one) => [one.address, one]))
  const stateOf = (addresses: readonly string[]): Partition['state'] => {
    const own = addresses.map((address) => known.get(address))
    if (own.some((one) => !one?.present || one.state === 'QUARANTINED')) return 'UNHEALTHY'
    const claims = new Set(own.map((one) => one?.claimedBy))
    const [claim] = claims
    const isOne = claims.size === 1
    if (claim === undefined) {
      return isOne && own.every((one) => (one?.state ?? 'FREE') === 'FREE') ? 'FREE' : 'BLOCKED'
    }
    const isWhole = devices.filter(({ claimedBy }) => claimedBy === claim).length === addresses.length
    return isOne && isWhole && own.every((one) => one?.state === 'IN_USE') ? 'ACTIVE' : 'BLOCKED'
  }
  return (facts.fabric?.partitions ?? []).map(({ id, addresses }) => ({
    ...{ id, addresses: [...addresses], state: stateOf(addresses) },
  }))
}
