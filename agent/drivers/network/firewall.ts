import type { Firewall } from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import type { Exec, Files } from '../../host/ports.ts'
import { renderFirewall, renderFirewallRemoval } from '../../plan/firewall-ruleset.ts'
import { firewallTableName } from '../../plan/names.ts'
import type { AgentDirectories } from '../../plan/paths.ts'
import { createClaimedNumbers } from './claimed-numbers.ts'
import { readForwardTables } from './forward-tables.ts'

/** Of one network on this host. Calls for one network don't overlap. */
export interface NetworkFirewall {
  /** One transaction: no packet passes between the old rules and the new ones. @throws where the kernel can't filter */
  ensure(networkUid: string, firewall: Firewall | undefined): Promise<void>
  remove(networkUid: string): Promise<void>
  /** Of these networks, those that deny and whose table somebody has deleted. */
  findGone(networkUids: readonly string[]): Promise<ReadonlySet<string>>
}

/** VLANs end below. Zones of connections are numbers of 16 bits. */
const firstZone = 4096
const lastZone = 65_535

export function createNetworkFirewall(options: {
  exec: Exec
  files: Files
  directories: AgentDirectories
}): NetworkFirewall {
  const { exec, files, directories } = options
  const load = (text: string) => exec.run('nft', ['-f', '-'], { stdin: text })
  const zones = createClaimedNumbers({
    ...{ files, directories, fileName: 'firewall-zone', first: firstZone, last: lastZone },
    what: 'zone for connections',
  })

  const remove = async (networkUid: string) => {
    // Written before the table was ever loaded: without it there is none.
    if ((await zones.read(networkUid)) === undefined) return
    await load(renderFirewallRemoval(networkUid))
    await zones.release(networkUid)
  }

  return {
    ensure: async (networkUid, firewall) => {
      if (!firewall?.deniesIngress) return remove(networkUid)
      await load(renderFirewall(networkUid, firewall, await zones.claim(networkUid)))
    },
    remove,
    findGone: async (networkUids) => {
      const claimed = await Promise.all(networkUids.map((uid) => zones.read(uid)))
      const denying = networkUids.filter((_uid, index) => claimed[index] !== undefined)
      // Not every kernel knows the family, and none of those has a network that denies.
      if (denying.length === 0) return new Set()
      const tables = await readForwardTables(exec, 'bridge')
      return new Set(denying.filter((uid) => !tables.has(firewallTableName(uid))))
    },
  }
}
