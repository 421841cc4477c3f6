import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLinuxNetworkDriver } from '../../../../agent/drivers/network/linux-network.ts'
import type { NetworkDriver } from '../../../../agent/drivers/network/port.ts'
import { bridgeName, gatewayPortName, namespaceName, servicePortName } from '../../../../agent/plan/names.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { NetworkSchema } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { FirewallSchema } from '../../../../proto/gen/berth/agent/v1/network_pb.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { files, processes } from '../../../support/this-host.ts'
import { labNetwork, labPort } from './lab-networks.ts'
import { makeStandInHost, plugNamespace, type StandInHost } from './stand-in-host.ts'

const mtu = 1380
const network = create(NetworkSchema, {
  ...{ ...labNetwork(63), mtu, ipv4Gateway: '10.77.0.1' },
  ...{ ipv6Cidr: 'fd5b:63::/64', serviceIpv6: 'fd5b:63::a4d:2' },
  firewall: create(FirewallSchema, { generation: 1, natGateway: true }),
})
const port = labPort(network, 205)
const needs = { root: true, programs: ['ip', 'nft', 'dnsmasq', 'sysctl', 'unshare', 'nsenter', 'busybox'] }

describeNeeding(needs, 'the MTU of a network on the kernel', () => {
  let folder: string
  let host: StandInHost
  let driver: NetworkDriver

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-mtu-'))
    chmodSync(folder, 0o711)
    host = await makeStandInHost()
    plugNamespace(host, { name: 'outside', port: 'out0', address: '198.51.100.7/24' })
    driver = createLinuxNetworkDriver({
      ...{ exec: host.exec, files, processes, uplinks: [], log: silentLogger },
      gateway: { interface: 'out0', allowedRanges: [], deniedRanges: [], nameServers: [] },
      directories: { state: join(folder, 'state'), run: join(folder, 'run') },
    })
    const { tap, ipv4Address, macAddress: mac } = port
    plugNamespace(host, { name: 'guest', port: tap, address: `${ipv4Address}/24`, mac })
    await driver.ensureNetwork(network)
    await driver.ensurePort(port)
  })

  afterEach(async () => {
    await driver.removePort({ tap: port.tap, macAddress: port.macAddress, networkUid: network.uid })
    await driver.removeNetwork(network.uid)
    host.remove()
    rmSync(folder, { recursive: true })
  })

  const mtuOf = (link: string, namespace?: string) => {
    const inside = namespace === undefined ? [] : ['-n', namespace]
    const [shown] = JSON.parse(host.run('ip', [...inside, '-j', 'link', 'show', 'dev', link])) as [
      { mtu: number },
    ]
    return shown.mtu
  }
  const onHost = [
    port.tap,
    bridgeName(network.uid),
    servicePortName(network.uid),
    gatewayPortName(network.uid),
  ]

  it('is that of every link from the guest to the way outside', () => {
    expect(onHost.map((link) => mtuOf(link))).toEqual(onHost.map(() => mtu))
    const inside = ['svc0', 'gw0'].map((link) => mtuOf(link, namespaceName(network.uid)))
    expect(inside).toEqual([mtu, mtu])
  })

  it('is told by DHCP, and to IPv6 by router advertisements', async () => {
    const script = join(folder, 'lease.sh')
    writeFileSync(script, '#!/bin/sh\n[ "$1" = bound ] && echo "mtu $mtu"\nexit 0\n', { mode: 0o755 })
    const guest = ['netns', 'exec', 'guest']
    const dhcp = ['udhcpc', '-i', 'eth0', '-n', '-q', '-t', '5', '-T', '1', '-s', script, '-O', 'mtu']
    expect(host.run('ip', [...guest, 'busybox', ...dhcp]).trim()).toBe(`mtu ${mtu}`)
    // The guest's own interface keeps its 1500; what IPv6 sends is as long as it was told.
    expect(mtuOf('eth0', 'guest')).toBe(1500)
    await expect
      .poll(() => host.run('ip', [...guest, 'sysctl', '-n', 'net.ipv6.conf.eth0.mtu']).trim(), {
        timeout: 15_000,
      })
      .toBe(String(mtu))
  })

  it('is put right where somebody has changed it', async () => {
    expect(await driver.findTroubles([port])).toEqual([])
    host.run('ip', ['link', 'set', 'dev', port.tap, 'mtu', '1500'])
    expect(await driver.findTroubles([port])).toEqual([{ kind: 'port-down', tap: port.tap }])
    await driver.ensurePort(port)
    for (const link of [bridgeName(network.uid), servicePortName(network.uid)]) {
      host.run('ip', ['link', 'set', 'dev', link, 'mtu', '1300'])
      expect(await driver.findTroubles([port])).toEqual([{ kind: 'network-broken', networkUid: network.uid }])
      await driver.ensureNetwork(network)
      expect(await driver.findTroubles([port])).toEqual([])
    }
  })
})
