import type { Firewall } from '../../../proto/gen/berth/agent/v1/network_pb.ts'
import type { Exec, Files } from '../../host/ports.ts'
import { renderFirewall, renderFirewallRemoval } from '../../plan/firewall-ruleset.ts'
import { type AgentDirectories, networkDirectory } from '../../plan/paths.ts'

/** Of one network on this host. Calls for one network don't overlap. */
export interface NetworkFirewall {
  /** One transaction: no packet passes between the old rules and the new ones. @throws where the kernel can't filter */
  ensure(networkUid: string, firewall: Firewall | undefined): Promise<void>
  remove(networkUid: string): Promise<void>
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
  const zonePath = (networkUid: string) => `${networkDirectory(directories, networkUid)}/firewall-zone`
  const readZone = async (networkUid: string) => {
    const content = await files.read(zonePath(networkUid))
    return content === undefined ? undefined : Number(new TextDecoder().decode(content))
  }

  /** One after the other: two networks that look for a free zone at once would find the same. */
  let lastTurn: Promise<unknown> = Promise.resolve()
  const claimZone = (networkUid: string): Promise<number> => {
    const claim = async () => {
      const known = await readZone(networkUid)
      if (known !== undefined) return known
      const taken = new Set<number | undefined>()
      for (const uid of await files.list(`${directories.run}/networks`)) taken.add(await readZone(uid))
      let zone = firstZone
      while (taken.has(zone)) zone += 1
      if (zone > lastZone) throw new Error('This host has no zone for connections left.')
      await files.makeDirectory(networkDirectory(directories, networkUid), { mode: 0o755 })
      await files.writeAtomic(zonePath(networkUid), String(zone), { durable: false })
      return zone
    }
    const turn = lastTurn.then(claim, claim)
    lastTurn = turn
    return turn
  }

  const remove = async (networkUid: string) => {
    // Written before the table was ever loaded: without it there is none.
    if ((await readZone(networkUid)) === undefined) return
    await load(renderFirewallRemoval(networkUid))
    await files.remove(zonePath(networkUid))
  }

  return {
    ensure: async (networkUid, firewall) => {
      if (!firewall?.deniesIngress) return remove(networkUid)
      await load(renderFirewall(networkUid, firewall, await claimZone(networkUid)))
    },
    remove,
  }
}
