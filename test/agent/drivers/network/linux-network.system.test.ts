import { chmodSync, mkdtempSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { create } from '@bufbuild/protobuf'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { createLinuxNetworkDriver } from '../../../../agent/drivers/network/linux-network.ts'
import type { NetworkDriver, PortPlan } from '../../../../agent/drivers/network/port.ts'
import { bridgeName, filterTableName, servicePortName } from '../../../../agent/plan/names.ts'
import { silentLogger } from '../../../../lib/log.ts'
import { NetworkSchema } from '../../../../proto/gen/berth/agent/v1/instance_pb.ts'
import { NetworkMemberSchema } from '../../../../proto/gen/berth/agent/v1/network_pb.ts'
import { describeNeeding } from '../../../support/needs.ts'
import { exec, files, processes } from '../../../support/this-host.ts'
import { nameFrames } from './frames.ts'
import { honestArp } from './frames-arp.ts'
import { type GuestNamespace, makeGuestNamespace, program, readHost } from './guest-namespace.ts'
import { labNetwork, labPort } from './lab-networks.ts'

const network = labNetwork(1)
const twin = labNetwork(2)
const needs = { root: true, programs: ['ip', 'nft', 'dnsmasq', 'sysctl', 'perl', 'busybox'] }

describeNeeding(needs, 'the network driver on the kernel', () => {
  let folder: string
  let driver: NetworkDriver
  let before: ReturnType<typeof readHost>
  let guests: GuestNamespace[]

  beforeEach(() => {
    folder = mkdtempSync(join(tmpdir(), 'berth-network-'))
    // dnsmasq reads its files as nobody.
    chmodSync(folder, 0o711)
    guests = []
    before = readHost()
    driver = newDriver()
  })

  afterEach(async () => {
    for (const guest of guests) guest.remove()
    for (const one of [network, twin]) {
      for (const number of [11, 12]) await driver.removePort(portKey(labPort(one, number)))
      await driver.removeNetwork(one.uid)
    }
    expect(readHost()).toEqual(before)
    rmSync(folder, { recursive: true })
  })

  const newDriver = () =>
    createLinuxNetworkDriver({
      exec,
      files,
      processes,
      directories: { state: join(folder, 'state'), run: join(folder, 'run') },
      uplinks: [{ interface: 'lo', physicalNetwork: 'default' }],
      log: silentLogger,
    })

  /** A guest that is plugged in, with the driver or before it. */
  const plug = (port: PortPlan) => {
    const name = `berth-lab-${port.tap}`
    const guest = makeGuestNamespace({ name, tap: port.tap, macAddress: port.macAddress })
    guests.push(guest)
    return guest
  }

  it('does nothing at the second time, whoever asks', async () => {
    const port = labPort(network, 11)
    const ensure = async (by: NetworkDriver) => {
      await Promise.all([by.ensureNetwork(network), by.ensureNetwork(network)])
      await by.ensurePort(port)
    }
    await ensure(driver)
    const once = { ...readHost(), links: readLinkText(network.uid, port), servers: readServers(folder) }
    await ensure(driver)
    await ensure(newDriver())
    expect({ ...readHost(), links: readLinkText(network.uid, port), servers: readServers(folder) }).toEqual(
      once,
    )
  })

  it('makes a tap that its owner may open, in the bridge, with the MTU of the network', async () => {
    const port = labPort(network, 11)
    await driver.ensureNetwork(network)
    await driver.ensurePort(port)
    const [tap] = JSON.parse(program('ip', ['-j', '-d', 'link', 'show', 'dev', port.tap])) as [object]
    expect(tap).toMatchObject({
      mtu: 1450,
      master: bridgeName(network.uid),
      linkinfo: { info_kind: 'tun', info_data: { type: 'tap', user: port.ownerUid } },
    })
    expect(tap).toHaveProperty('flags', expect.arrayContaining(['UP']))
    for (const link of [port.tap, bridgeName(network.uid), servicePortName(network.uid)]) {
      expect(program('ip', ['-o', 'address', 'show', 'dev', link])).toBe('')
    }
  })

  it('gives a guest its address and name by DHCP, a route to the metadata, and no default route', async () => {
    const port = labPort(network, 11)
    const guest = plug(port)
    await driver.ensureNetwork(network)
    await driver.ensurePort(port)
    const lease = askForLease(guest, folder)
    expect(lease).toMatchObject({
      ip: '10.77.0.11',
      subnet: '255.255.255.0',
      mtu: '1450',
      hostname: 'guest-11',
      domain: 'lab.internal',
      staticroutes: '169.254.169.254/32 10.77.0.2',
    })
    expect(lease).not.toHaveProperty('router')
    guest.run('ip', ['address', 'add', '10.77.0.11/24', 'dev', 'eth0'])
    expect(guest.run('busybox', ['nslookup', 'guest-11.lab.internal', '10.77.0.2'])).toContain('10.77.0.11')
    // What a guest calls itself is nobody's name.
    expect(() => guest.run('busybox', ['nslookup', 'impostor.lab.internal', '10.77.0.2'])).toThrow('')
  })

  it('knows the names of members on other hosts, until they are gone', async () => {
    const port = labPort(network, 11)
    const guest = plug(port)
    await driver.ensureNetwork(network)
    await driver.ensurePort(port)
    guest.run('ip', ['address', 'add', '10.77.0.11/24', 'dev', 'eth0'])
    const far = { hostname: 'far.lab.internal', addresses: ['10.77.0.99', 'fd5b:1::63'] }
    const member = create(NetworkMemberSchema, { instanceUid: 'far', ...far })
    const ask = (name: string) => guest.run('busybox', ['nslookup', name, '10.77.0.2'])
    await driver.ensureMembers(network.uid, [member])
    await expect.poll(() => ask('far.lab.internal')).toContain('10.77.0.99')
    expect(ask('far.lab.internal')).toContain('fd5b:1::63')
    expect(ask('guest-11.lab.internal')).toContain('10.77.0.11')
    await driver.ensureMembers(network.uid, [])
    await expect.poll(() => nslookupFails(() => ask('far.lab.internal'))).toBe(true)
    const wrong = create(NetworkMemberSchema, { ...far, hostname: 'a b' })
    await expect(driver.ensureMembers(network.uid, [wrong])).rejects.toThrow('host name')
  })

  it('advertises the IPv6 range without a default route, and knows names in both families', async () => {
    const dual = create(NetworkSchema, { ...network, ipv6Cidr: 'fd5b:1::/64', serviceIpv6: 'fd5b:1::a4d:2' })
    const port = labPort(dual, 11)
    const guest = plug(port)
    await driver.ensureNetwork(dual)
    await driver.ensurePort(port)
    guest.run('sysctl', ['-q', '-w', 'net.ipv6.conf.eth0.disable_ipv6=0'])
    await expect
      .poll(() => guest.run('ip', ['-6', 'route', 'show', 'proto', 'kernel']), { timeout: 10_000 })
      .toContain('fd5b:1::/64')
    expect(guest.run('ip', ['-6', 'route', 'show', 'default'])).toBe('')
    // Managed: no address of the range without DHCPv6.
    expect(guest.run('ip', ['-6', 'address', 'show', 'scope', 'global'])).toBe('')
    guest.run('ip', ['address', 'add', '10.77.0.11/24', 'dev', 'eth0'])
    const answer = guest.run('busybox', ['nslookup', 'guest-11.lab.internal', '10.77.0.2'])
    expect(answer).toContain('10.77.0.11')
    expect(answer).toContain('fd5b:1::a4d:b')
  })

  it('serves nobody whose port it does not know, and hands an address on at once', async () => {
    const port = labPort(network, 11)
    const guest = plug(port)
    await driver.ensureNetwork(network)
    await driver.ensurePort(port)
    expect(askForLease(guest, folder)).toMatchObject({ ip: '10.77.0.11' })
    guest.remove()
    await driver.removePort(portKey(port))
    const successor = { ...labPort(network, 12), ipv4Address: '10.77.0.11' }
    const next = plug(successor)
    program('ip', ['link', 'set', 'dev', successor.tap, 'master', bridgeName(network.uid), 'up'])
    expect(askForLease(next, folder)).toEqual({})
    await driver.ensurePort(successor)
    expect(askForLease(next, folder)).toMatchObject({ ip: '10.77.0.11' })
  })

  it('takes a tap down that it can not filter', async () => {
    const port = labPort(network, 11)
    await driver.ensureNetwork(network)
    await driver.ensurePort(port)
    await expect(driver.ensurePort({ ...port, ipv4Address: 'nothing' })).rejects.toThrow('no filter')
    const [tap] = JSON.parse(program('ip', ['-j', 'link', 'show', 'dev', port.tap])) as [{ flags: string[] }]
    expect(tap.flags).not.toContain('UP')
    await driver.ensurePort(port)
  })

  it('loads a filter again that somebody has flushed', async () => {
    const port = labPort(network, 11)
    await driver.ensureNetwork(network)
    await driver.ensurePort(port)
    program('nft', ['delete', 'table', 'netdev', filterTableName(port.tap)])
    await driver.ensurePort(port)
    expect(readHost().tables).toContain(`table netdev ${filterTableName(port.tap)}`)
  })

  it('keeps the service ports of a network apart from each other', async () => {
    await driver.ensureNetwork(network)
    const [port] = JSON.parse(
      program('ip', ['-j', '-d', 'link', 'show', 'dev', servicePortName(network.uid)]),
    ) as [object]
    expect(port).toMatchObject({ linkinfo: { info_slave_data: { isolated: true } } })
  })

  it('holds two networks with the same addresses apart', async () => {
    const [one, two] = [labPort(network, 11), labPort(twin, 12)]
    const [guestOne, guestTwo] = [plug(one), plug(two)]
    for (const port of [one, two]) {
      await driver.ensureNetwork(port.network)
      await driver.ensurePort(port)
    }
    expect(askForLease(guestOne, folder)).toMatchObject({ ip: '10.77.0.11' })
    expect(askForLease(guestTwo, folder)).toMatchObject({ ip: '10.77.0.12' })
    const station = (port: PortPlan) => ({ mac: port.macAddress, ip: port.ipv4Address, ip6: '' })
    const service = { mac: network.serviceMac, ip: network.serviceIpv4, ip6: '' }
    const [frame] = nameFrames(honestArp({ own: station(one), other: station(two), service }))
    const received = await guestTwo.capture(() => guestOne.send([frame?.hex ?? '']))
    expect(received.filter((hex) => hex.includes(frame?.marker ?? ''))).toEqual([])
  })

  it('sees what somebody has broken, and takes a port without a filter down', async () => {
    const ports = [labPort(network, 11), labPort(network, 12), labPort(network, 13)] as const
    const [first, second, third] = ports
    await driver.ensureNetwork(network)
    for (const port of ports) await driver.ensurePort(port)
    expect(await driver.findTroubles(ports)).toEqual([])

    program('nft', ['delete', 'table', 'netdev', filterTableName(first.tap)])
    program('ip', ['link', 'set', 'dev', second.tap, 'nomaster'])
    program('ip', ['link', 'delete', 'dev', third.tap])
    expect(await driver.findTroubles(ports)).toEqual([
      { kind: 'filter-gone', tap: first.tap },
      { kind: 'port-down', tap: second.tap },
      { kind: 'tap-gone', tap: third.tap },
    ])
    const [tap] = JSON.parse(program('ip', ['-j', 'link', 'show', 'dev', first.tap])) as [{ flags: string[] }]
    expect(tap.flags).not.toContain('UP')
    for (const port of ports) await driver.ensurePort(port)
    expect(await driver.findTroubles(ports)).toEqual([])

    process.kill(Number(readServers(folder)[0]), 'SIGKILL')
    const broken = [{ kind: 'network-broken', networkUid: network.uid }]
    await expect.poll(() => driver.findTroubles(ports)).toEqual(broken)
    await driver.ensureNetwork(network)
    program('ip', ['link', 'delete', 'dev', bridgeName(network.uid)])
    expect((await driver.findTroubles(ports)).map(({ kind }) => kind)).toEqual([
      ...['port-down', 'port-down', 'port-down', 'network-broken'],
    ])
    await driver.ensureNetwork(network)
    for (const port of ports) await driver.ensurePort(port)
    expect(await driver.findTroubles(ports)).toEqual([])
    await driver.removePort(portKey(third))
  })

  it('starts DHCP again where it has died, and only then', async () => {
    await driver.ensureNetwork(network)
    const [first] = readServers(folder)
    process.kill(Number(first), 'SIGKILL')
    await driver.ensureNetwork(network)
    const [second] = readServers(folder)
    expect(second).toBeDefined()
    expect(second).not.toBe(first)
  })
})

const portKey = (port: PortPlan) => ({
  tap: port.tap,
  macAddress: port.macAddress,
  networkUid: port.network.uid,
})

function nslookupFails(ask: () => string): boolean {
  try {
    ask()
    return false
  } catch {
    return true
  }
}

/** Indexes, flags, masters and addresses: a link made anew differs. */
function readLinkText(networkUid: string, port: PortPlan): string {
  return [bridgeName(networkUid), servicePortName(networkUid), port.tap]
    .map((link) => program('ip', ['link', 'show', 'dev', link]))
    .join('')
}

/** Pids of the dnsmasq processes that were started from this folder and live. */
function readServers(folder: string): string[] {
  const run = join(folder, 'run/networks')
  return readdirSync(run)
    .map((uid) => program('cat', [join(run, uid, 'dnsmasq.pid')]).trim())
    .filter((pid) => readdirSync('/proc').includes(pid))
}

/** What DHCP gives a guest that calls itself something else; empty where it gives nothing. */
function askForLease(guest: GuestNamespace, folder: string): Record<string, string> {
  const script = join(folder, 'lease.sh')
  writeFileSync(script, '#!/bin/sh\n[ "$1" = bound ] && set\nexit 0\n', { mode: 0o755 })
  const wanted = ['-O', '121', '-O', 'mtu', '-O', 'hostname', '-O', 'domain', '-x', 'hostname:impostor']
  const once = ['-n', '-q', '-t', '3', '-T', '1']
  let shown: string
  try {
    shown = guest.run('busybox', ['udhcpc', '-i', 'eth0', ...once, '-s', script, ...wanted])
  } catch {
    return {}
  }
  const pairs = [...shown.matchAll(/^(ip|subnet|mtu|hostname|domain|router|staticroutes)='(.*)'$/gm)]
  return Object.fromEntries(pairs.map((pair) => [pair[1] ?? '', pair[2] ?? '']))
}
