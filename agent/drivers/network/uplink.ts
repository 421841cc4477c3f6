import { Type } from 'typebox'
import { Value } from 'typebox/value'
import type { Network } from '../../../proto/gen/berth/agent/v1/instance_pb.ts'
import type { Exec, Files } from '../../host/ports.ts'
import type { UplinkSettings } from '../../inventory/uplinks.ts'
import { uplinkPortName } from '../../plan/names.ts'
import { type AgentDirectories, networkDirectory } from '../../plan/paths.ts'
import {
  type GuestIdentity,
  renderUplinkMember,
  renderUplinkRemoval,
  renderUplinkRuleset,
} from '../../plan/uplink-ruleset.ts'
import { joinIsolated } from './bridge.ts'
import { changeLinks, type Link, readLinks, removeLink } from './links.ts'
import type { PortPlan } from './port.ts'

/** Networks with a VLAN on the host's uplinks. Calls for one network don't overlap. */
export interface UplinkPorts {
  /** @throws where the settings or the host have no uplink for it */
  ensure(network: Network): Promise<void>
  /** From now on nobody outside is this guest. */
  addMember(port: PortPlan): Promise<void>
  removeMember(networkUid: string, tap: string): Promise<void>
  remove(networkUid: string): Promise<void>
}

export function createUplinkPorts(options: {
  exec: Exec
  files: Files
  directories: AgentDirectories
  uplinks: readonly UplinkSettings[]
}): UplinkPorts {
  const { exec, files, directories, uplinks } = options
  const load = (text: string) => exec.run('nft', ['-f', '-'], { stdin: text })
  // Below the network's own directory, which goes with the network.
  const membersPath = (networkUid: string) => `${networkDirectory(directories, networkUid)}/uplink-members`

  const readMember = async (path: string): Promise<GuestIdentity | undefined> => {
    const content = await files.read(path)
    if (content === undefined) return undefined
    return Value.Parse(memberSchema, JSON.parse(new TextDecoder().decode(content)))
  }
  const readMembers = async (networkUid: string) => {
    const folder = membersPath(networkUid)
    const members = await Promise.all((await files.list(folder)).map((tap) => readMember(`${folder}/${tap}`)))
    return members.filter((member) => member !== undefined)
  }

  return {
    ensure: async (network) => {
      if (network.vlan === 0) return
      const links = await readLinks(exec)
      const uplink = findUplink(network, uplinks, links)
      await files.makeDirectory(membersPath(network.uid), { mode: 0o700 })
      const known = await ensureVlan(exec, { network, uplink, links })
      await load(renderUplinkRuleset(network, await readMembers(network.uid)))
      await joinIsolated(exec, network, { port: uplinkPortName(network.uid), known })
    },

    addMember: async ({ network, tap, macAddress, ipv4Address, ipv6Address }) => {
      if (network.vlan === 0) return
      const member = { macAddress, ipv4Address, ipv6Address }
      await files.writeAtomic(`${membersPath(network.uid)}/${tap}`, JSON.stringify(member), {
        durable: false,
      })
      await load(renderUplinkMember(network.uid, member, true))
    },

    removeMember: async (networkUid, tap) => {
      const path = `${membersPath(networkUid)}/${tap}`
      const member = await readMember(path)
      if (member === undefined) return
      await files.remove(path)
      // Without its port there is no filter either.
      if (!(await readLinks(exec)).has(uplinkPortName(networkUid))) return
      await load(renderUplinkMember(networkUid, member, false))
    },

    remove: async (networkUid) => {
      const port = uplinkPortName(networkUid)
      // Made before the port: without it there is neither port nor filter.
      if ((await files.stat(membersPath(networkUid))) === undefined) return
      // The filter goes last: while there is a port there is a filter.
      await removeLink(exec, port)
      await load(renderUplinkRemoval(networkUid))
    },
  }
}

const memberSchema = Type.Object({
  macAddress: Type.String(),
  ipv4Address: Type.String(),
  ipv6Address: Type.String(),
})

function findUplink(
  { id, physicalNetwork, vlan, mtu }: Network,
  uplinks: readonly UplinkSettings[],
  links: ReadonlyMap<string, Link>,
): Link {
  // Journals of agents that knew no uplinks name none.
  const name = physicalNetwork === '' ? 'default' : physicalNetwork
  const setting = uplinks.find((uplink) => uplink.physicalNetwork === name)
  const where = `Network ${id} is VLAN ${vlan} of physical network ${name}`
  if (setting === undefined) {
    throw new Error(`${where}, and this host's settings have no uplink there: add one under uplinks.`)
  }
  const link = links.get(setting.interface)
  if (link === undefined) throw new Error(`${where}, whose uplink ${setting.interface} is not on this host.`)
  if (link.mtu < mtu) {
    throw new Error(`${where} with an MTU of ${mtu}, and ${link.name} has ${link.mtu}: raise it there.`)
  }
  return link
}

/** What was there already; undefined for a new one, which is down and in no bridge. */
async function ensureVlan(
  exec: Exec,
  { network, uplink, links }: { network: Network; uplink: Link; links: ReadonlyMap<string, Link> },
): Promise<Link | undefined> {
  const port = uplinkPortName(network.uid)
  if (!uplink.isUp) await exec.run('ip', ['link', 'set', 'dev', uplink.name, 'up'])
  const known = links.get(port)
  // Another kind of link under its name was put there to stand in for one.
  const isRight = known?.kind !== 'vlan' || (known.lower === uplink.name && known.vlanId === network.vlan)
  if (known && isRight) return known
  if (known) await removeLink(exec, port)
  const holder = [...links.values()].find(
    (link) => link.lower === uplink.name && link.vlanId === network.vlan && link.name !== port,
  )
  if (holder !== undefined) {
    throw new Error(
      `VLAN ${network.vlan} of ${uplink.name} is ${holder.name} already: delete that, or give the network ${network.id} another VLAN.`,
    )
  }
  const what = ['type', 'vlan', 'id', String(network.vlan)]
  await changeLinks(
    () => exec.run('ip', ['link', 'add', 'link', uplink.name, 'name', port, ...what]),
    async () => (await readLinks(exec)).has(port),
  )
  return undefined
}
