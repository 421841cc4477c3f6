// Guests of the lab that can be asked, and the networks they are in. A guest runs what it is told by its host, over the
// network whose faults are tried: that it answers means that it is reached.
import {
  filterTableName,
  guestUnitName,
  namespaceName,
  tapName,
  uplinkPortName,
} from '../../agent/plan/names.ts'
import { createInstance } from '../e2e/instances.ts'
import { instancePath, type Region, regionId } from '../e2e/region.ts'
import type { LabHost } from './host.ts'

export interface LabNetwork {
  readonly id: string
  readonly uid: string
  readonly vlan: number
}

export interface LabGuest {
  readonly id: string
  readonly uid: string
  readonly host: LabHost
  readonly address: string
  readonly ipv6Address: string
  readonly macAddress: string
  readonly tap: string
  /** Of its network, on its host. */
  readonly namespace: string
  /** By the shell of the guest. What it says on both outputs, also where it fails; '' where the guest is not reached. */
  ask(command: string): Promise<string>
  /** Of its QEMU. */
  readPid(): Promise<string>
}

const shellPort = 7000

/** What the small guest tries once the rest is done. */
export const trying = (...tries: readonly string[]) => ({
  instanceMetadata: [
    {
      key: 'user-data',
      value: ['#cloud-config', ...tries.map((text) => `# small-guest: try ${text}`), ''].join('\n'),
    },
  ],
})

export const ping = (address: string) => `ping -c 1 -W 1 ${address}`

export async function made(region: Region, path: string, body: object): Promise<unknown> {
  const answer = await region.call('POST', path, body)
  if (answer.status !== 201) throw new Error(`${path}: ${answer.status} ${JSON.stringify(answer.body)}`)
  return answer.body
}

export async function makeNetwork(region: Region, vlan: number): Promise<LabNetwork> {
  const path = instancePath().replace(/instances$/, '')
  const { uid } = (await made(region, `${path}networks`, { id: 'blue', vlan, mtu: 1500 })) as { uid: string }
  const ranges = { ipv4Cidr: '10.90.0.0/24', ipv6Cidr: 'fd5b:90::/64' }
  await made(region, `${path}subnets`, { id: 'blue', network: 'blue', ...ranges })
  return { id: 'blue', uid, vlan }
}

/** Placed when it resolves, on its way to run. The other hosts take none meanwhile. */
export async function placeGuest(
  region: Region,
  at: { host: LabHost; network: LabNetwork; id: string; address: string; tries?: readonly string[] },
): Promise<LabGuest> {
  const { host, network, id, address, tries = [] } = at
  const hosts = `/v1/regions/${regionId}/hosts`
  const { body: all } = await region.call<{ hosts: { id: string }[] }>('GET', hosts)
  const others = all.hosts.filter((one) => one.id !== host.name)
  for (const other of others) await region.call('POST', `${hosts}/${other.id}:cordon`, {})
  const { uid, nics } = await createInstance(region, {
    id,
    nics: [{ network: network.id, ipv4Address: address }],
    ...trying(...tries, `1 nc -ll -p ${shellPort} -e sh`),
  })
  for (const other of others) await region.call('POST', `${hosts}/${other.id}:uncordon`, {})
  const [{ macAddress = '', ipv6Address = '' } = {}] = nics
  const namespace = namespaceName(network.uid)
  return {
    ...{ id, uid, host, address, ipv6Address, macAddress, namespace },
    tap: tapName(uid, 0),
    ask: async (command) => {
      const reach = `ip netns exec ${namespace} nc -w 60 ${address} ${shellPort}`
      const ran = await host.exec(reach, { mayFail: true, input: `exec 2>&1\n${command}\nexit\n` })
      return ran.stdout
    },
    readPid: async () => {
      const shown = await host.exec(`systemctl show --property=MainPID --value ${guestUnitName(uid)}`)
      return shown.stdout.trim()
    },
  }
}

/** Ports of a network on its host whose filters drop what they don't let through. */
export async function readFilters(guest: LabGuest, network: LabNetwork): Promise<Record<string, boolean>> {
  const { stdout } = await guest.host.exec('nft list chains netdev')
  const isThere = (port: string) =>
    stdout.includes(`table netdev ${filterTableName(port)} {`) &&
    new RegExp(`table netdev ${filterTableName(port)} \\{\\s*chain ingress \\{[^}]*policy drop`).test(stdout)
  return { tap: isThere(guest.tap), uplink: isThere(uplinkPortName(network.uid)) }
}
