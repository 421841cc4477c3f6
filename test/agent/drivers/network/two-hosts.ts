// One network on two hosts, both of them on this kernel: two networks of the driver with the same addresses, whose
// uplinks' ports are the two ends of one cable. A forger and its neighbour are on the one, a guest on the other.
import { chmodSync, mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { createLinuxNetworkDriver } from '../../../../agent/drivers/network/linux-network.ts'
import type { NetworkDriver, PortPlan } from '../../../../agent/drivers/network/port.ts'
import { bridgeName, filterTableName, uplinkPortName } from '../../../../agent/plan/names.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { NetworkSchema } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { exec, files, processes } from '../../../support/this-host.ts'
import type { Cast, Station } from './frames.ts'
import { type GuestNamespace, makeGuestNamespace, program, readHost } from './guest-namespace.ts'
import { labNetwork, labPort } from './lab-networks.ts'

export interface TwoHosts {
  readonly driver: NetworkDriver
  readonly forger: LabGuest
  /** On the forger's host. */
  readonly neighbour: LabGuest
  /** On the other host, where nothing filters what it sends. */
  readonly stranger: LabGuest
  /** All are connected, and nothing filters but the neighbour's tap. */
  open(): Promise<void>
  /** As the agent leaves both hosts, except for the stranger's tap. */
  filter(): Promise<void>
  remove(): Promise<void>
  /** Its links, namespaces and tables that are still there. */
  readRemains(): readonly string[]
}

export interface LabGuest extends GuestNamespace {
  readonly port: PortPlan
}

const dual = { ipv6Cidr: 'fd5b:1::/64', serviceIpv6: 'fd5b:1::a4d:2', vlan: 7 }

export async function makeTwoHosts(numbers: readonly [here: number, there: number]): Promise<TwoHosts> {
  const [here, there] = numbers.map((number) => create(NetworkSchema, { ...labNetwork(number), ...dual }))
  if (here === undefined || there === undefined) throw new Error('A lab of two hosts has two networks.')
  const folder = mkdtempSync(join(tmpdir(), 'berth-two-hosts-'))
  // dnsmasq reads its files as nobody.
  chmodSync(folder, 0o711)
  const driver = createLinuxNetworkDriver({
    ...{ exec, files, processes, log: silentLogger },
    directories: { state: join(folder, 'state'), run: join(folder, 'run') },
    uplinks: [{ interface: 'lo', physicalNetwork: 'default' }],
  })
  const plug = (port: PortPlan): LabGuest => ({
    ...makeGuestNamespace({ name: `berth-lab-${port.tap}`, ...port }),
    port,
  })
  const cable = ['peer', 'name', uplinkPortName(there.uid)]
  program('ip', ['link', 'add', 'name', uplinkPortName(here.uid), 'type', 'veth', ...cable])
  const forger = plug(labPort(here, 11))
  const neighbour = plug(labPort(here, 12))
  const stranger = plug(labPort(there, 13))
  const guests = [forger, neighbour, stranger]
  const build = async () => {
    for (const network of [here, there]) await driver.ensureNetwork(network)
  }
  return {
    ...{ driver, forger, neighbour, stranger },

    open: async () => {
      await build()
      await driver.ensurePort(neighbour.port)
      for (const { port } of [forger, stranger]) {
        program('ip', ['link', 'set', 'dev', port.tap, 'master', bridgeName(port.network.uid), 'up'])
      }
      for (const { uid } of [here, there]) {
        program('nft', ['delete', 'table', 'netdev', filterTableName(uplinkPortName(uid))])
      }
    },

    filter: async () => {
      await build()
      await driver.ensurePort(forger.port)
    },

    remove: async () => {
      for (const guest of guests) guest.remove()
      for (const { port } of guests) {
        const { tap, macAddress, network } = port
        await driver.removePort({ tap, macAddress, networkUid: network.uid })
      }
      for (const network of [here, there]) await driver.removeNetwork(network.uid)
      rmSync(folder, { recursive: true })
    },

    readRemains: () => {
      const { links, namespaces, tables } = readHost()
      const names = [
        ...guests.map(({ port }) => port.tap),
        ...[here, there].map(({ uid }) => bridgeName(uid)),
      ]
      const tails = names.map((name) => name.slice(2))
      return [...links, ...namespaces, ...tables].filter((name) => tails.some((tail) => name.includes(tail)))
    },
  }
}

const stationOf = ({ port }: LabGuest): Station => ({
  mac: port.macAddress,
  ip: port.ipv4Address,
  ip6: port.ipv6Address,
})

/** Who one guest is, and whom it may play. */
export function castOf(own: LabGuest, other: LabGuest): Cast {
  const { serviceMac, serviceIpv4, serviceIpv6 } = own.port.network
  return {
    own: stationOf(own),
    other: stationOf(other),
    service: { mac: serviceMac, ip: serviceIpv4, ip6: serviceIpv6 },
  }
}
