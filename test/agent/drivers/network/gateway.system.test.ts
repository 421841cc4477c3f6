import { chmodSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLinuxNetworkDriver } from '../../../../agent/drivers/network/linux-network.ts'
import type { NetworkDriver } from '../../../../agent/drivers/network/port.ts'
import type { GatewaySettings } from '../../../../agent/plan/gateway.ts'
import { gatewayPortName, gatewayTableName, namespaceName } from '../../../../agent/plan/names.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { type Network, NetworkSchema } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { FirewallSchema } from '../../../../proto/gen/berth/agent/v1/network_pb.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { files, processes } from '../../../support/this-host.ts'
import { labNetwork, labPort } from './lab-networks.ts'
import { askLine, lineServer, makeStandInHost, plugNamespace, type StandInHost } from './stand-in-host.ts'

const withGateway = (network: Network, natGateway = true) =>
  create(NetworkSchema, {
    ...{ ...network, ipv4Gateway: '10.77.0.1' },
    firewall: create(FirewallSchema, { generation: 1, natGateway }),
  })
const network = withGateway(labNetwork(60))
const twin = withGateway(labNetwork(61))
const settings: GatewaySettings = {
  ...{ interface: 'out0', allowedRanges: ['10.99.0.0/24'], deniedRanges: ['198.51.100.9/32'] },
  nameServers: ['192.168.99.53'],
}
/** Of what is outside: public, private and open, private and closed, closed by the operator, a cloud's metadata. */
const [site, opened, closed] = ['198.51.100.7', '10.99.0.7', '10.98.0.7']
const [denied, cloud, resolver] = ['198.51.100.9', '169.254.169.123', '192.168.99.53']
const needs = {
  root: true,
  programs: ['ip', 'nft', 'dnsmasq', 'sysctl', 'unshare', 'nsenter', 'perl', 'busybox'],
}

describeNeeding(needs, 'the gateway of a network on the kernel', () => {
  let folder: string
  let host: StandInHost
  let driver: NetworkDriver
  let before: ReturnType<typeof readHost>

  beforeEach(async () => {
    folder = mkdtempSync(join(tmpdir(), 'berth-gateway-'))
    chmodSync(folder, 0o711)
    host = await makeStandInHost()
    await makeOutside(host)
    before = readHost(host)
    driver = newDriver()
  })

  afterEach(async () => {
    for (const one of [network, twin]) {
      for (const number of [201, 202]) await driver.removePort(portKey(one, number))
      await driver.removeNetwork(one.uid)
      host.does('ip', ['netns', 'delete', guestName(one)])
    }
    const after = readHost(host)
    host.remove()
    rmSync(folder, { recursive: true })
    expect(after).toEqual(before)
  })

  const newDriver = (gateway: GatewaySettings | undefined = settings) =>
    createLinuxNetworkDriver({
      ...{ exec: host.exec, files, processes, uplinks: [], gateway, log: silentLogger },
      directories: { state: join(folder, 'state'), run: join(folder, 'run') },
    })

  const guestName = ({ id }: Network) => `guest-${id}`

  /** A guest with what DHCP told it. */
  const plug = async (of: Network, number = 201) => {
    const port = labPort(of, number)
    const name = guestName(of)
    plugNamespace(host, { name, port: port.tap, address: `${port.ipv4Address}/24`, mac: port.macAddress })
    await driver.ensureNetwork(of)
    await driver.ensurePort(port)
    const route = ['route', 'add', 'default', 'via', of.ipv4Gateway]
    host.run('ip', ['-n', name, ...route])
    const inside = (file: string, ...args: string[]) => ['netns', 'exec', name, file, ...args]
    return {
      port,
      /** What is said there. */
      ask: (address = '', tcpPort = 80) =>
        host.ask('ip', ['netns', 'exec', name, ...askLine(address, tcpPort)]),
      ping: (address = '') => host.does('ip', inside('busybox', 'ping', '-c', '1', '-W', '2', address)),
      run: (file: string, ...args: string[]) => host.run('ip', inside(file, ...args)),
      hear: (file: string, ...args: string[]) => host.ask('ip', inside(file, ...args)),
    }
  }

  it('takes guests outside as the host, and tells them the way', async () => {
    const guest = await plug(network)
    expect(guest.ask(site)).toBe('the site')
    expect(guest.ping(site)).toBe(true)
    expect(host.run('ip', ['-n', 'outside', 'neigh', 'show']).match(/^198\.51\.100\.\d+/gm)).toEqual([
      '198.51.100.1',
    ])
    const script = join(folder, 'lease.sh')
    writeFileSync(script, '#!/bin/sh\n[ "$1" = bound ] && echo "$router|$staticroutes|$dns"\nexit 0\n', {
      mode: 0o755,
    })
    const dhcp = ['udhcpc', '-i', 'eth0', '-n', '-q', '-t', '3', '-T', '1', '-s', script, '-O', '121']
    expect(guest.run('busybox', ...dhcp).trim()).toBe(
      '10.77.0.1|169.254.169.254/32 10.77.0.2 0.0.0.0/0 10.77.0.1|10.77.0.2',
    )
    // It asks for both families, and there is one.
    expect(guest.hear('busybox', 'nslookup', 'www.example.com', '10.77.0.2')).toContain('203.0.113.80')
  })

  it('takes them nowhere else', async () => {
    const guest = await plug(network)
    expect(guest.ask(opened)).toBe('the site')
    for (const address of [closed, denied, cloud]) {
      expect([address, guest.ask(address), guest.ping(address)]).toEqual([address, '', false])
    }
    // Asked for names, and for nothing else.
    expect(guest.ask(resolver)).toBe('')
    // The host itself, by each of its addresses, and its own management network.
    const [transfer] = readTransfer(host, network)
    for (const address of ['198.51.100.1', '192.0.2.1', transfer]) {
      expect([address, guest.ask(address, 8080), guest.ping(address)]).toEqual([address, '', false])
    }
    expect(host.ask('perl', askLine('192.0.2.9', 80).slice(1))).toBe('management')
    expect(host.ask('perl', askLine('198.51.100.1', 8080).slice(1))).toBe('the host')
    expect(guest.ask('192.0.2.9')).toBe('')
  })

  it('lets nobody in, and no member reach another by it', async () => {
    const guest = await plug(network)
    const other = labPort(network, 202)
    plugNamespace(host, {
      ...{ name: 'neighbour', port: other.tap, address: `${other.ipv4Address}/24`, mac: other.macAddress },
    })
    await driver.ensurePort(other)
    expect(guest.ping(other.ipv4Address)).toBe(true)
    guest.run('ip', 'route', 'add', `${other.ipv4Address}/32`, 'via', network.ipv4Gateway)
    expect(guest.ping(other.ipv4Address)).toBe(false)
    const [, inside = ''] = readTransfer(host, network)
    host.run('sysctl', ['-q', '-w', 'net/ipv4/conf/mgmt0/forwarding=1'])
    host.run('ip', ['-n', 'outside', 'route', 'add', '10.77.0.0/24', 'via', '198.51.100.1'])
    host.run('ip', ['-n', 'outside', 'route', 'add', '192.0.2.0/24', 'via', '198.51.100.1'])
    host.run('ip', ['route', 'add', '10.77.0.0/24', 'via', inside])
    expect(host.does('busybox', ['ping', '-c', '1', '-W', '1', inside])).toBe(false)
    expect(host.does('ip', ['netns', 'exec', 'outside', ...ping(guest.port.ipv4Address)])).toBe(false)
    expect(host.does('ip', ['netns', 'exec', 'outside', ...ping('192.0.2.9')])).toBe(false)
    host.run('ip', ['netns', 'delete', 'neighbour'])
  })

  it('holds two networks with the same addresses apart', async () => {
    const [one, two] = [await plug(network), await plug(twin)]
    expect([one.ask(site), two.ask(site)]).toEqual(['the site', 'the site'])
    const [, otherInside = ''] = readTransfer(host, twin)
    expect(readTransfer(host, network)).not.toContain(otherInside)
    expect([one.ping(otherInside), one.ask(otherInside)]).toEqual([false, ''])
    await driver.removePort(portKey(network, 201))
    await driver.removeNetwork(network.uid)
    expect(two.ask(site)).toBe('the site')
  })

  it('changes nothing at the second time, whoever asks', async () => {
    await plug(network)
    // Indexes and addresses: a link made anew differs. Carriers and IPv6 addresses may still be on their way.
    const look = () => ({ ...readHost(host), addresses: host.run('ip', ['-4', '-o', 'address', 'show']) })
    const once = look()
    await newDriver().ensureNetwork(network)
    expect(look()).toEqual(once)
  })

  it('closes while guests are there, and opens again', async () => {
    const guest = await plug(network)
    await driver.ensureNetwork(withGateway(network, false))
    expect(guest.ask(site)).toBe('')
    expect(guest.ping(network.ipv4Gateway)).toBe(false)
    expect(readHost(host).forwarding).toEqual(before.forwarding)
    await driver.ensureNetwork(network)
    expect(guest.ask(site)).toBe('the site')
  })

  it('sees what somebody has broken, and puts it right', async () => {
    const guest = await plug(network)
    const port = gatewayPortName(network.uid)
    const breakages = [
      ['ip', ['link', 'delete', 'dev', port]],
      ['ip', ['link', 'set', 'dev', port, 'down']],
      ['nft', ['delete', 'table', 'ip', gatewayTableName(network.uid)]],
      ['sysctl', ['-q', '-w', `net/ipv4/conf/${port}/forwarding=0`]],
      ['sysctl', ['-q', '-w', 'net/ipv4/conf/out0/forwarding=0']],
      // What a careless hand does: it resets every interface.
      ['sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1', 'net.ipv4.ip_forward=0']],
    ] as const
    for (const [file, args] of breakages) {
      expect(await driver.findTroubles([guest.port])).toEqual([])
      host.run(file, args)
      expect(await driver.findTroubles([guest.port]), args.join(' ')).toEqual([
        { kind: 'network-broken', networkUid: network.uid },
      ])
      await driver.ensureNetwork(network)
      expect(guest.ask(site), args.join(' ')).toBe('the site')
    }
  })

  it('leaves the forwarding of a host that routes alone', async () => {
    host.run('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=1'])
    const routing = readHost(host).forwarding
    const guest = await plug(network)
    expect(guest.ask(site)).toBe('the site')
    // What it routed before it routes still.
    host.run('ip', ['-n', 'outside', 'route', 'add', '192.0.2.0/24', 'via', '198.51.100.1'])
    expect(host.does('ip', ['netns', 'exec', 'outside', ...ping('192.0.2.9')])).toBe(true)
    await driver.removePort(portKey(network, 201))
    await driver.removeNetwork(network.uid)
    expect(readHost(host).forwarding).toEqual(routing)
    host.run('sysctl', ['-q', '-w', 'net.ipv4.ip_forward=0'])
  })

  it('takes another transfer net where the host has its addresses', async () => {
    host.run('ip', ['address', 'add', '169.254.64.0/24', 'dev', 'out0'])
    const guest = await plug(network)
    expect(readTransfer(host, network)).toEqual(['169.254.64.2', '169.254.64.3'])
    expect(guest.ask(site)).toBe('the site')
    host.run('ip', ['address', 'delete', '169.254.64.0/24', 'dev', 'out0'])
  })

  it('says so where the host is no gateway', async () => {
    const closedDriver = createLinuxNetworkDriver({
      ...{ exec: host.exec, files, processes, uplinks: [], log: silentLogger },
      directories: { state: join(folder, 'state'), run: join(folder, 'run') },
    })
    await expect(closedDriver.ensureNetwork(network)).rejects.toThrow('settings have no gateway')
  })
})

const ping = (address: string) => ['busybox', 'ping', '-c', '1', '-W', '1', address]

const portKey = (network: Network, number: number) => {
  const { tap, macAddress } = labPort(network, number)
  return { tap, macAddress, networkUid: network.uid }
}

/** The host's end and the inner one. */
function readTransfer(host: StandInHost, network: Network): string[] {
  const addresses = (args: readonly string[]) => /inet ([\d.]+)\//.exec(host.run('ip', args))?.[1] ?? 'none'
  return [
    addresses(['-4', '-o', 'address', 'show', 'dev', gatewayPortName(network.uid)]),
    addresses(['-n', namespaceName(network.uid), '-4', '-o', 'address', 'show', 'dev', 'gw0']),
  ]
}

/** What is beyond the host's interface, what is behind its other one, and a service of its own. */
async function makeOutside(host: StandInHost): Promise<void> {
  plugNamespace(host, { name: 'outside', port: 'out0', address: '198.51.100.7/24' })
  plugNamespace(host, { name: 'management', port: 'mgmt0', address: '192.0.2.9/24' })
  host.run('ip', ['address', 'add', '198.51.100.1/24', 'dev', 'out0'])
  host.run('ip', ['address', 'add', '192.0.2.1/24', 'dev', 'mgmt0'])
  for (const link of ['out0', 'mgmt0']) host.run('ip', ['link', 'set', 'dev', link, 'up'])
  for (const address of [opened, closed, denied, cloud, resolver]) {
    host.run('ip', ['-n', 'outside', 'address', 'add', `${address}/32`, 'dev', 'eth0'])
  }
  host.run('ip', ['route', 'add', 'default', 'via', site])
  host.run('ip', ['-n', 'management', 'route', 'add', 'default', 'via', '192.0.2.1'])
  const names = ['--no-hosts', '--no-resolv', '--address=/www.example.com/203.0.113.80', '--no-daemon']
  await Promise.all([
    host.serve('ip', ['netns', 'exec', 'outside', ...lineServer('the site', 80)]),
    host.serve('ip', ['netns', 'exec', 'management', ...lineServer('management', 80)]),
    host.serve('perl', lineServer('the host', 8080).slice(1)),
    host.serve('ip', [
      ...['netns', 'exec', 'outside', 'dnsmasq', '--conf-file=/dev/null', `--listen-address=${resolver}`],
      ...names,
    ]),
  ])
}

/** What must be as before once all is removed. */
function readHost(host: StandInHost) {
  const links = JSON.parse(host.run('ip', ['-j', 'link', 'show'])) as { ifname: string }[]
  return {
    links: links.map((link) => link.ifname).sort(),
    namespaces: host
      .run('ip', ['netns', 'list'])
      .replace(/ \(id: \d+\)/g, '')
      .split('\n')
      .sort(),
    tables: host.run('nft', ['list', 'tables']).split('\n').sort(),
    forwarding: host.run('sysctl', ['-n', 'net/ipv4/ip_forward', 'net/ipv4/conf/out0/forwarding']),
    routes: host.run('ip', ['route', 'show']),
  }
}
